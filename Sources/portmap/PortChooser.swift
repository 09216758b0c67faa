import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// Finds free host ports; checks them in windows of 32 ports at once.
struct PortChooser {
  /// The ranges, tried in this order.
  var ranges: [PortRange]
  /// The offset of the first port, from a hash of the owner, so that concurrent ADDs rarely choose the same port.
  var start: Int
  /// The ports that the attachment publishes already.
  var taken: [PublishedPort]

  private static let windowSize = 32
  /// The lowest unprivileged port.
  private static let firstUnprivileged: UInt16 = 1024

  /// The published ports and listening sockets of one window.
  private struct Window {
    var ports: ArraySlice<UInt16>
    var published: [PublishedPort]
    var listeners: [Listener]
  }

  private struct Key: Hashable {
    var transport: TransportProtocol
    var range: Int
    var window: Int
  }

  private var windows: [Key: Window] = [:]

  /// - Parameters:
  ///   - ranges: the ranges to choose from.
  ///   - owner: the attachment; it determines the first port.
  ///   - taken: the ports that the attachment publishes already.
  init(_ ranges: [PortRange], owner: AttachmentID, taken: [PublishedPort]) {
    self.ranges = ranges
    self.taken = taken
    start = Int(FNV1a.hash32(owner.tag))
  }

  /// The unprivileged ports outside `ip_local_port_range`: first those above it, then those below.
  ///
  /// The host does not use them for its own connections.
  static func unprivilegedRanges(outside ephemeral: String?) -> [PortRange] {
    let ends = (ephemeral ?? "").split { $0 == " " || $0 == "\t" }.compactMap { UInt16($0) }
    guard ends.count == 2, ends[0] <= ends[1] else { return [PortRange(61000...UInt16.max)] }
    var ranges: [PortRange] = []
    if ends[1] < UInt16.max { ranges.append(PortRange(ends[1] + 1...UInt16.max)) }
    if ends[0] > firstUnprivileged { ranges.append(PortRange(firstUnprivileged...ends[0] - 1)) }
    return ranges
  }

  /// The first port on which `mapping` can be published for these families.
  ///
  /// - Throws: code 107 if all ports are in use.
  mutating func choose<K: Kernel & ~Copyable>(
    for mapping: Mapping, families: [IPFamily], on kernel: inout K
  ) throws(CNIError) -> UInt16 {
    for (index, range) in ranges.enumerated() {
      for number in 0...(range.ports.count - 1) / Self.windowSize {
        let key = Key(transport: mapping.transport, range: index, window: number)
        let window = if let cached = windows[key] { cached } else { try readWindow(key, on: &kernel) }
        windows[key] = window
        for port in window.ports {
          let candidates = families.map { mapping.placeholder($0, at: port) }
          guard candidates.allSatisfy({ isFree($0, window) }) else { continue }
          taken += candidates
          return port
        }
      }
    }
    let all = ranges.map { $0.description }.joined(separator: ", ")
    throw CNIError(
      .portInUse,
      "key \"\(mapping.configKey)\": choose a host port for \(mapping.containerText): all of \(all) are in use")
  }

  private func isFree(_ port: PublishedPort, _ window: Window) -> Bool {
    !taken.contains(where: port.conflicts) && !window.published.contains(where: port.conflicts)
      && !window.listeners.contains(where: port.isTaken)
  }

  /// Reads a window of ports; after the last port of the range the count continues with its first one.
  private func readWindow<K: Kernel & ~Copyable>(_ key: Key, on kernel: inout K) throws(CNIError) -> Window {
    let range = ranges[key.range].ports
    let first = key.window * Self.windowSize
    let ports = (first..<min(first + Self.windowSize, range.count)).map {
      range.lowerBound + UInt16((start + $0) % range.count)
    }
    return try convertingErrors { () throws(KernelError) in
      let candidates = ports.flatMap { port in
        IPFamily.allCases.map { Mapping.placeholder(key.transport, nil, port, $0) }
      }
      return Window(
        ports: ports[...], published: try kernel.filter.holders(of: candidates).map { $0.port },
        listeners: try kernel.listeners(key.transport, Set(ports)))
    }
  }
}

extension Mapping {
  /// A port to compare with published ones: only port, protocol, family and the host's address matter.
  fileprivate func placeholder(_ family: IPFamily, at port: UInt16) -> PublishedPort {
    Self.placeholder(transport, boundAddress, port, family)
  }

  fileprivate static func placeholder(
    _ transport: TransportProtocol, _ hostIP: IPAddress?, _ port: UInt16, _ family: IPFamily
  ) -> PublishedPort {
    PublishedPort(transport, hostIP: hostIP, hostPort: port, to: IPPrefix.everything(family).address, port)
  }
}
