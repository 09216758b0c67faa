public import CNI
public import NetTypes

/// A container's address as a source of a firewalld zone; the zone decides what the host forwards for it.
public struct ZoneSource: Hashable, Sendable {
  public var zone: String
  public var address: IPAddress

  /// The default zone of the reference plugin.
  public static let defaultZone = "trusted"

  public init(_ address: IPAddress, in zone: String = Self.defaultZone) {
    self.zone = zone
    self.address = address
  }
}

extension ZoneSource: CustomStringConvertible {
  public var description: String { "source \(text) of firewalld's zone \(zone)" }

  /// The address as firewalld's clients write it: `10.1.0.2/32`, `fd00::2/128`.
  public var text: String { "\(IPPrefix(host: address))" }
}

extension ZoneSource: JSONReadable {
  var json: JSONValue { .record(["zone": .text(zone), "address": .text(address)]) }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(try json.required("address").parsed(), in: try json.required("zone").text())
  }
}

extension RuleSet {
  /// The rule set's sources for firewalld's zones.
  public var sources: [ZoneSource] {
    rules.compactMap { if case .trust(let source) = $0 { source } else { nil } }
  }

  /// The rule set without the sources, which firewalld holds and the tables do not.
  public var withoutSources: RuleSet {
    var ruleSet = self
    ruleSet.rules.removeAll { if case .trust = $0 { true } else { false } }
    return ruleSet
  }

  /// Whether the rule set has only sources for firewalld.
  public var isForZonesOnly: Bool { !rules.isEmpty && withoutSources.rules.isEmpty }
}
