import NetTypes

/// A condition that this backend does not support.
struct ConditionError: Error, CustomStringConvertible {
  var description: String
}

/// Parses conditions in the syntax of iptables(8): `["!", "-s", "10.0.0.0/8", "-m", "mark", "--mark", "1"]`.
struct ConditionParser {
  private var rest: ArraySlice<String>
  private var modules: Set<String> = []

  init(_ words: [String]) { rest = words[...] }

  private static let supported =
    "-s, -d, -i, -m mark --mark, -m addrtype --src-type --dst-type, -m conntrack --ctstate, "
    + "-m iprange --src-range --dst-range, -m comment --comment"

  private static let longNames = [
    "--source": "-s", "--src": "-s", "--destination": "-d", "--dst": "-d", "--in-interface": "-i",
    "--out-interface": "-o", "--match": "-m", "--protocol": "-p",
  ]

  /// Adds all conditions to the rule's own matches.
  mutating func add(to rule: inout TableRule) throws(ConditionError) {
    while let word = rest.popFirst() {
      let isNegated = word == "!"
      let option = isNegated ? try next(after: word) : word
      try add(Self.longNames[option] ?? option, isNegated, to: &rule)
    }
  }

  private mutating func next(after word: String) throws(ConditionError) -> String {
    guard let next = rest.popFirst() else { throw ConditionError(description: "\(word): no value follows") }
    return next
  }

  private mutating func add(_ option: String, _ isNegated: Bool, to rule: inout TableRule) throws(ConditionError) {
    switch option {
    case "-s": try Self.set(&rule.source, try prefix(option, rule.family), isNegated, option)
    case "-d": try Self.set(&rule.destination, try prefix(option, rule.family), isNegated, option)
    case "-i": try Self.set(&rule.inDevice, try device(option), isNegated, option)
    case "-o": throw ConditionError(description: "-o: not possible, published ports are translated before routing")
    case "-m" where !isNegated: modules.insert(try next(after: option))
    default: rule.matches.append(try match(option, isNegated, rule.family))
    }
    if let unknown = modules.subtracting(Self.modules).min() {
      throw ConditionError(description: "-m \(unknown): want \(Self.supported)")
    }
  }

  private static let modules: Set = ["mark", "addrtype", "conntrack", "iprange", "comment"]

  private static let moduleOf = [
    "--mark": "mark", "--src-type": "addrtype", "--dst-type": "addrtype", "--ctstate": "conntrack",
    "--src-range": "iprange", "--dst-range": "iprange",
    "--comment": "comment",
  ]

  private mutating func match(
    _ option: String, _ isNegated: Bool, _ family: IPFamily
  ) throws(ConditionError) -> Match {
    guard let module = Self.moduleOf[option] else {
      throw ConditionError(description: "\(option): want \(Self.supported)")
    }
    guard modules.contains(module) else { throw ConditionError(description: "\(option): want -m \(module) before it") }
    let value = try next(after: option)
    let match: Match? =
      switch option {
      case "--mark": Masked(text: value).map { .mark(Test($0, isNegated: isNegated)) }
      case "--src-type":
        AddressTypes(text: value).map { .addressType(source: Test($0, isNegated: isNegated), destination: nil) }
      case "--dst-type":
        AddressTypes(text: value).map { .addressType(source: nil, destination: Test($0, isNegated: isNegated)) }
      case "--ctstate": ConnectionStates(text: value).map { .states(Test($0, isNegated: isNegated)) }
      case "--src-range": range(value, family).map { .ranges(source: Test($0, isNegated: isNegated), destination: nil) }
      case "--dst-range": range(value, family).map { .ranges(source: nil, destination: Test($0, isNegated: isNegated)) }
      default: value.utf8.count <= 255 && !isNegated && !value.utf8.contains(0) ? .comment(value) : nil
      }
    guard let match else { throw ConditionError(description: "\(option) \(value): not a valid value of this option") }
    return match
  }

  private static func set<Value>(
    _ field: inout Test<Value>?, _ value: Value, _ isNegated: Bool, _ option: String
  ) throws(ConditionError) {
    guard field == nil else { throw ConditionError(description: "\(option): given twice; want it at most once") }
    field = Test(value, isNegated: isNegated)
  }

  private mutating func prefix(_ option: String, _ family: IPFamily) throws(ConditionError) -> IPPrefix {
    let text = try next(after: option)
    guard let prefix = IPPrefix(text) ?? IPAddress(text).map(IPPrefix.init(host:)), prefix.family == family else {
      throw ConditionError(description: "\(option) \(text): want an IPv\(family.digit) address or prefix")
    }
    return prefix
  }

  private mutating func device(_ option: String) throws(ConditionError) -> Device {
    let text = try next(after: option)
    guard let device = Device(pattern: text) else {
      throw ConditionError(description: "\(option) \(text): want \(InterfaceName.expectedForm)")
    }
    return device
  }
}

private func range(_ text: String, _ family: IPFamily) -> ClosedRange<IPAddress>? {
  let ends = text.split(separator: "-", maxSplits: 1).map { IPAddress(String($0)) }
  guard let first = ends.first, let last = ends.last, let first, let last, first <= last, first.family == family,
    last.family == family
  else { return nil }
  return first...last
}

extension Masked {
  /// Parses a value with an optional mask: `0x10/0xff`, `16`.
  fileprivate init?(text: String) {
    let numbers = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map { number in
      number.hasPrefix("0x") ? UInt32(number.dropFirst(2), radix: 16) : UInt32(number)
    }
    guard let first = numbers.first, let value = first else { return nil }
    guard numbers.count == 2 else {
      self.init(value)
      return
    }
    guard let mask = numbers[1] else { return nil }
    self.init(value, mask: mask)
  }
}

extension OptionSet where Element == Self {
  /// Parses names that are separated by commas.
  fileprivate init?(names text: String, _ byName: [String: Self]) {
    self.init()
    for name in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let one = byName[String(name)] else { return nil }
      formUnion(one)
    }
  }
}

extension AddressTypes {
  fileprivate init?(text: String) { self.init(names: text, Self.byName) }
}

extension ConnectionStates {
  fileprivate init?(text: String) { self.init(names: text, Self.byName) }
}
