import NetTypes

/// One rule in the terms of the `iptables` command.
struct TableRule: Hashable, Sendable {
  var family: IPFamily
  var source: Test<IPPrefix>?
  var destination: Test<IPPrefix>?
  var inDevice: Test<Device>?
  var outDevice: Test<Device>?
  var transport: TransportProtocol?
  /// The matches, in the order in which they are evaluated.
  var matches: [Match] = []
  var target: Target

  init(_ family: IPFamily, _ matches: Match..., target: Target) {
    self.family = family
    self.matches = matches
    self.target = target
  }
}

/// A value that a field of the packet is compared with.
struct Test<Value: Hashable & Sendable>: Hashable, Sendable {
  var value: Value
  /// Whether all other values match, as in `! -s`.
  var isNegated: Bool

  init(_ value: Value, isNegated: Bool = false) {
    self.value = value
    self.isNegated = isNegated
  }
}

/// A link name, or a prefix of link names.
struct Device: Hashable, Sendable {
  var name: InterfaceName
  /// Whether the last byte of `name` is `+`, the wildcard for any ending.
  var isPrefix = false

  init(_ name: InterfaceName) { self.name = name }

  /// Parses the form that the command accepts: `eth0`, `eth+`.
  init?(pattern: String) {
    guard let name = InterfaceName(pattern) else { return nil }
    self.name = name
    isPrefix = pattern.hasSuffix("+")
  }
}

/// A match extension.
enum Match: Hashable, Sendable {
  /// `-m tcp --dport`, and the same for the other protocols.
  case port(TransportProtocol, UInt16)
  /// `-m comment`, at most 255 bytes.
  case comment(String)
  case states(Test<ConnectionStates>)
  case addressType(source: Test<AddressTypes>?, destination: Test<AddressTypes>?)
  case mark(Test<Masked>)
  /// `-m devgroup`.
  case groups(source: Test<Masked>?, destination: Test<Masked>?)
  /// `-m iprange`.
  case ranges(source: Test<ClosedRange<IPAddress>>?, destination: Test<ClosedRange<IPAddress>>?)
}

/// A value and a mask of the bits to compare.
struct Masked: Hashable, Sendable {
  var value: UInt32
  var mask: UInt32

  init(_ value: UInt32, mask: UInt32 = .max) {
    self.value = value
    self.mask = mask
  }
}

/// The target of a rule.
enum Target: Hashable, Sendable {
  case accept
  case drop
  case returnToCaller
  case jump(String)
  /// `DNAT`; the port is unchanged if it is `nil`.
  case destination(IPAddress, port: UInt16?)
  /// `SNAT`.
  case source(IPAddress)
  case masquerade(isRandom: Bool)
  /// `MARK --set-xmark`.
  case mark(Masked)
}

/// `XT_CONNTRACK_STATE_*` of `linux/netfilter/xt_conntrack.h`.
struct ConnectionStates: OptionSet, Hashable, Sendable {
  let rawValue: UInt16
  static let invalid = Self(rawValue: 1)
  static let established = Self(rawValue: 1 << 1)
  static let related = Self(rawValue: 1 << 2)
  static let new = Self(rawValue: 1 << 3)
  static let translatedSource = Self(rawValue: 1 << 6)
  static let translated = Self(rawValue: 1 << 7)
  static let untracked = Self(rawValue: 1 << 8)

  static let byName: [String: Self] = [
    "INVALID": .invalid, "ESTABLISHED": .established, "RELATED": .related, "NEW": .new, "SNAT": .translatedSource,
    "DNAT": .translated, "UNTRACKED": .untracked,
  ]
}

/// `XT_ADDRTYPE_*` of `linux/netfilter/xt_addrtype.h`.
struct AddressTypes: OptionSet, Hashable, Sendable {
  let rawValue: UInt16
  static let local = Self(rawValue: 1 << 2)
  static let multicast = Self(rawValue: 1 << 5)

  static let byName: [String: Self] = [
    "UNSPEC": Self(rawValue: 1), "UNICAST": Self(rawValue: 1 << 1), "LOCAL": .local,
    "BROADCAST": Self(rawValue: 1 << 3), "ANYCAST": Self(rawValue: 1 << 4), "MULTICAST": .multicast,
    "BLACKHOLE": Self(rawValue: 1 << 6), "UNREACHABLE": Self(rawValue: 1 << 7), "PROHIBIT": Self(rawValue: 1 << 8),
  ]
}
