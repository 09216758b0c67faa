import NetTypes
import PacketFilter

/// Addresses in a row, and what a policy allows there.
struct AllowedRange: Equatable {
  var addresses: ClosedRange<IPAddress>
  /// Each with a protocol; empty: all, and protocols without ports.
  var ports: [PortSpan]
}

extension [AllowedRange] {
  /// What prefixes of one family allow together, in order and without overlaps, which the kernel refuses in a set.
  init(_ prefixes: [(IPPrefix, [PortSpan])]) {
    var sweep = Sweep()
    // A prefix comes after those that contain it.
    for (prefix, ports) in prefixes.sorted(by: { ($0.0.first, $0.0.length) < ($1.0.first, $1.0.length) }) {
      sweep.close(before: prefix.first)
      sweep.open(prefix, ports)
    }
    sweep.close(before: nil)
    self = sweep.ranges
  }

  /// At most two rules, whatever the number of ranges; a set of addresses with ports only for different ports.
  func rules(_ end: End) -> [NftRule] {
    let whole = filter { $0.ports.isEmpty }, limited = filter { !$0.ports.isEmpty }
    var rules: [NftRule] = whole.isEmpty ? [] : [[whole.match(end), .returnToCaller]]
    guard let ports = limited.first?.ports else { return rules }
    let isSame = limited.allSatisfy { $0.ports == ports }
    rules.append(
      isSame
        ? [limited.match(end), .ports(ports), .returnToCaller] : [.addressesWithPorts(end, limited), .returnToCaller])
    return rules
  }

  private func match(_ end: End) -> Statement {
    guard count == 1, let prefix = IPPrefix(self[0].addresses) else { return .addresses(end, map { $0.addresses }) }
    return prefix.length == 0 ? .family(prefix.family) : .prefix(end, prefix)
  }
}

/// Goes over the addresses from the lowest to the highest; prefixes contain each other or have no address in common.
private struct Sweep {
  private(set) var ranges: [AllowedRange] = []
  /// The prefixes that contain the next address, the largest first; each allows what those around it do, too.
  private var open: [AllowedRange] = []
  /// The lowest address that is in no range yet; `nil` after the family's last one.
  private var next: IPAddress?

  mutating func open(_ prefix: IPPrefix, _ ports: [PortSpan]) {
    let outer = open.last.map { $0.ports }
    let all = ports.isEmpty || outer?.isEmpty == true ? [] : (ports + (outer ?? [])).merged
    open.append(AllowedRange(addresses: prefix.first...prefix.last, ports: all))
    next = prefix.first
  }

  /// Adds what is open before that address; `nil`: all.
  mutating func close(before limit: IPAddress?) {
    while let inner = open.last {
      let end = inner.addresses.upperBound
      if let limit, end >= limit {
        if let last = limit.predecessor { add(through: last, inner.ports) }
        return
      }
      add(through: end, inner.ports)
      open.removeLast()
    }
  }

  private mutating func add(through last: IPAddress, _ ports: [PortSpan]) {
    guard let first = next, first <= last else { return }
    next = last.advanced(by: 1)
    if let before = ranges.last, before.ports == ports, before.addresses.upperBound.advanced(by: 1) == first {
      ranges[ranges.count - 1].addresses = before.addresses.lowerBound...last
    } else {
      ranges.append(AllowedRange(addresses: first...last, ports: ports))
    }
  }
}
