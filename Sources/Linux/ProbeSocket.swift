import CLinux
import Glibc
public import NetTypes

/// A TCP connection that sends a request and reads the first line of the answer, without blocking.
@safe
public final class ProbeSocket {
  public enum Outcome: Equatable, Sendable {
    /// The first line of the answer; empty without a request.
    case answer([UInt8])
    case failure(String)
  }

  /// `nil`: it is not finished.
  public private(set) var outcome: Outcome?
  private let descriptor: Descriptor
  private let deadline: Clock
  private var request: ArraySlice<UInt8>
  private let wantsAnswer: Bool
  private var received: [UInt8] = []
  private var isConnected = false

  private static let longestLine = 1024

  /// Begins to connect.
  ///
  /// - Parameters:
  ///   - address: the server's address.
  ///   - port: the server's port.
  ///   - request: what to send; empty: the connection is enough.
  ///   - seconds: the time limit of the whole exchange.
  /// - Throws: the kernel's error, for instance ENETUNREACH.
  public init(
    to address: IPAddress, _ port: UInt16, request: [UInt8], seconds: Int
  ) throws(KernelError) {
    let bytes = address.bytes
    let raw = try call("connect to \(address) port \(port)") { unsafe cl_connect(bytes, bytes.count, port) }
    descriptor = Descriptor(adopting: Int32(raw))
    deadline = Clock.now.advanced(bySeconds: seconds)
    self.request = request[...]
    wantsAnswer = !request.isEmpty
  }

  /// Waits until one of the unfinished probes proceeds, or until then, and lets those proceed that can.
  public static func proceed(_ probes: [ProbeSocket], until: Clock) throws(KernelError) {
    var waits = probes.map { pollfd(fd: $0.descriptor.raw, events: $0.events, revents: 0) }
    let end = probes.map { $0.deadline }.reduce(until) { min($0, $1) }
    // Rounded up: poll(2) must not return before the time.
    let wait = Int32(clamping: end.millisecondsLeft + 1)
    _ = try call("wait for connections") { unsafe poll(&waits, nfds_t(waits.count), wait) }
    for (probe, wait) in zip(probes, waits) {
      if wait.revents != 0 { probe.proceed() }
      if probe.outcome == nil, probe.deadline <= Clock.now { probe.outcome = .failure("no answer in time") }
    }
  }

  private var events: Int16 { Int16(!isConnected || !request.isEmpty ? POLLOUT : POLLIN) }

  private func proceed() {
    do throws(KernelError) {
      if !isConnected {
        _ = try call("connect") { cl_connect_result(descriptor.raw) }
        isConnected = true
      }
      if !request.isEmpty { try sendRequest() }
      if !wantsAnswer { outcome = .answer([]) } else if request.isEmpty { try readLine() }
    } catch {
      if !error.errno.isOne(of: .EAGAIN, .EWOULDBLOCK) { outcome = .failure(error.reason) }
    }
  }

  private func sendRequest() throws(KernelError) {
    let bytes = Array(request)
    let count = try call("send") { unsafe send(descriptor.raw, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
    request = request.dropFirst(count)
  }

  private func readLine() throws(KernelError) {
    let size = Self.longestLine
    let bytes = try unsafe bytes(atMost: size, "receive") { unsafe recv(descriptor.raw, $0, size, 0) }
    received += bytes
    let newline = received.firstIndex(of: UInt8(ascii: "\n"))
    guard newline != nil || bytes.isEmpty || received.count >= size else { return }
    outcome = .answer(Array(received[..<(newline ?? received.count)]))
  }
}
