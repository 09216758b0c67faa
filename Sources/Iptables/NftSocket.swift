import Glibc
import Linux
import NetTypes
import Netfilter

/// A netfilter netlink socket for requests and batches; it stays in the network namespace in which it was opened.
@safe
struct NftSocket: ~Copyable {
  private let descriptor: Descriptor

  deinit { LateClosing.keep(descriptor) }

  static func open() throws(KernelError) -> NftSocket {
    let raw = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), NftNumbers.protocolNumber)
    guard raw >= 0 else { throw KernelError(errno: .last, doing: "open netfilter socket") }
    return NftSocket(descriptor: Descriptor(adopting: raw))
  }

  private static let netfilterHeaderSize = 4

  /// The answers, empty if the object is missing; repeats the request if the ruleset changed during the dump.
  ///
  /// Leaves out those without the attribute `wanted`.
  borrowing func ask(
    _ message: NftMessage, wanting wanted: NftAttribute? = nil, doing operation: @autoclosure () -> String
  ) throws(KernelError) -> [NftAnswer] {
    var message = message
    if message.flags & NftMessage.Flags.dump == 0 { message.flags |= NftMessage.Flags.acknowledge }
    for _ in 0..<100 {
      try send(message.bytes(1), operation())
      if let answers = try collect(wanted, operation()) { return answers }
    }
    throw KernelError(errno: .EAGAIN, doing: operation())
  }

  /// Carries out all messages as one transaction.
  ///
  /// - Throws: EAGAIN if the ruleset has changed since that generation; the kernel's error for a message.
  borrowing func commit(_ messages: [NftMessage], _ generation: UInt32, doing operation: String) throws(KernelError) {
    if messages.contains(where: { $0.isDeletion }) { LateClosing.noteDeletion() }
    var batch = NftMessage.begin(generation)
    for (index, message) in messages.enumerated() {
      var message = message
      message.flags |= NftMessage.Flags.acknowledge
      message.append(to: &batch, UInt32(index + 1))
    }
    try send(batch + NftMessage.end, operation)
    var missing = messages.count
    var hasLostAnswers = false
    while missing > 0 {
      let answers: [UInt8]
      do throws(KernelError) {
        // The kernel sends all answers before `send` returns, so after a loss there is nothing to wait for.
        answers = try descriptor.receive(flags: hasLostAnswers ? Int32(MSG_DONTWAIT) : 0, doing: operation)
      } catch {
        if error.errno == .ENOBUFS, !hasLostAnswers {
          hasLostAnswers = true
          continue
        }
        guard hasLostAnswers, error.errno == .EWOULDBLOCK else { throw error }
        return try checkCommit(after: generation, operation)
      }
      for (type, payload, _) in Self.split(answers) where type == NftNumbers.error {
        let code = Self.code(payload)
        guard code == .none else {
          throw KernelError(errno: code == NftNumbers.restart ? .EAGAIN : code, doing: operation)
        }
        missing -= 1
      }
    }
  }

  /// Finds out whether a batch with lost answers was committed: each commit changes the ruleset's generation.
  ///
  /// - Throws: EAGAIN if it was not committed.
  private borrowing func checkCommit(after generation: UInt32, _ operation: String) throws(KernelError) {
    guard try NftTable.generation(self) == generation else { return }
    throw KernelError(errno: .EAGAIN, doing: operation)
  }

  private borrowing func send(_ bytes: [UInt8], _ operation: @autoclosure () -> String) throws(KernelError) {
    let sent = unsafe Glibc.send(descriptor.raw, bytes, bytes.count, 0)
    guard sent == bytes.count else { throw KernelError(errno: .last, doing: operation()) }
  }

  /// `nil` if the ruleset changed during the dump.
  private borrowing func collect(
    _ wanted: NftAttribute?, _ operation: @autoclosure () -> String
  ) throws(KernelError) -> [NftAnswer]? {
    var answers: [NftAnswer] = []
    var isTorn = false
    while true {
      for (type, payload, flags) in Self.split(try descriptor.receive(doing: operation())) {
        if flags & 0x10 != 0 { isTorn = true }  // NLM_F_DUMP_INTR
        guard type == NftNumbers.done || type == NftNumbers.error else {
          let attributes = payload.dropFirst(Self.netfilterHeaderSize)
          if let wanted, !NftAnswer.has(wanted, in: attributes) { continue }
          answers.append(NftAnswer(attributes, family: payload.first ?? 0))
          continue
        }
        let code = Self.code(payload)
        if code == .EINTR || isTorn { return nil }
        guard code == .none || code == .ENOENT else { throw KernelError(errno: code, doing: operation()) }
        return code == .none ? answers : []
      }
    }
  }

  private static func code(_ payload: ArraySlice<UInt8>) -> Errno {
    payload.count < 4 ? .EPROTO : Errno(-Int32(bitPattern: Array(payload.prefix(4)).number32(at: 0)))
  }

  private static func split(_ bytes: [UInt8]) -> [(type: Int32, payload: ArraySlice<UInt8>, flags: Int)] {
    var result: [(type: Int32, payload: ArraySlice<UInt8>, flags: Int)] = []
    var rest = bytes[...]
    while rest.count >= NftMessage.headerSize {
      let head = Array(rest.prefix(NftMessage.headerSize))
      let length = Int(head.number32(at: 0))
      guard length >= NftMessage.headerSize, length <= rest.count else { break }
      result.append(
        (Int32(head.number16(at: 4)), rest.prefix(length).dropFirst(NftMessage.headerSize), head.number16(at: 6)))
      rest = rest.dropFirst((length + 3) & ~3)
    }
    return result
  }
}

/// Numbers of linux/netlink.h, and one errno that is internal to the kernel.
private enum NftNumbers {
  static let protocolNumber: Int32 = 12
  static let error: Int32 = 2
  static let done: Int32 = 3
  /// The kernel's answer to a batch with an old generation: `ERESTART`.
  static let restart = Errno(85)
}
