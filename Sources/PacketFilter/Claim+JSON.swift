public import CNI
import NetTypes

extension Claim: JSONReadable {
  /// The claim as the claim's file holds it.
  public var json: JSONValue {
    var members: [String: JSONValue] = [
      "network": .string(owner.network.description), "container": .string(owner.container.description),
      "interface": .string(owner.interface.description), "part": .string(part.rawValue),
      "rules": .array(rules.map(\.json)),
    ]
    members["backend"] = backend.map { .string($0.rawValue) }
    members["name"] = containerName.map { .string($0) }
    if !addresses.isEmpty { members["addresses"] = .array(addresses.map { .string("\($0)") }) }
    return .object(members)
  }

  public init(_ json: JSONReader) throws(CNIError) {
    let owner = Owner(
      network: try json.required("network").parsed(), container: try json.required("container").parsed(),
      interface: try json.required("interface").parsed())
    let part = try json.required("part")
    guard let known = Part(rawValue: try part.text()) else {
      throw part.refusal("network, guards, tunnels, ports, firewall or names")
    }
    self.init(owner, known, try json.objects("rules") ?? [], backend: try json.parsed("backend"))
    containerName = try json.text("name")
    addresses = try json.parsedList("addresses") ?? []
  }
}

extension Rule: JSONReadable {
  /// An object with one member, which is named by the kind of rule.
  var json: JSONValue {
    switch self {
    case .masquerade(let rule): .object(["masquerade": .object(rule.members)])
    case .isolate(let rule): .object(["isolate": .object(rule.members)])
    case .link(let rule): .object(["link": .object(rule.members)])
    case .guardSource(let rule): .object(["guard": .object(rule.members)])
    case .guardAddresses(let rule): .object(["guardAddresses": .object(rule.members)])
    case .guardTunnel(let rule): .object(["guardTunnel": .object(rule.members)])
    case .publish(let rule): .object(["publish": .object(rule.members)])
    case .float(let rule): .object(["float": .object(rule.members)])
    case .admit(let rule): .object(["admit": .object(rule.members)])
    case .serve(let rule): .object(["serve": .object(rule.members)])
    case .pass(let rule): .object(["pass": .object(rule.members)])
    case .trust(let rule): .object(["trust": .object(rule.members)])
    }
  }

  public init(_ json: JSONReader) throws(CNIError) {
    if let rule: Masquerade = try json.object("masquerade") {
      self = .masquerade(rule)
    } else if let rule: Isolation = try json.object("isolate") {
      self = .isolate(rule)
    } else if let rule: ContainerLink = try json.object("link") {
      self = .link(rule)
    } else if let rule: SourceGuard = try json.object("guard") {
      self = .guardSource(rule)
    } else if let rule: AddressGuard = try json.object("guardAddresses") {
      self = .guardAddresses(rule)
    } else if let rule: TunnelGuard = try json.object("guardTunnel") {
      self = .guardTunnel(rule)
    } else if let rule: PublishedPort = try json.object("publish") {
      self = .publish(rule)
    } else if let rule: FloatingAddress = try json.object("float") {
      self = .float(rule)
    } else if let rule: Admission = try json.object("admit") {
      self = .admit(rule)
    } else if let rule: NameService = try json.object("serve") {
      self = .serve(rule)
    } else if let rule: Passage = try json.object("pass") {
      self = .pass(rule)
    } else if let rule: ZoneSource = try json.object("trust") {
      self = .trust(rule)
    } else {
      throw json.refusal("a rule")
    }
  }
}
