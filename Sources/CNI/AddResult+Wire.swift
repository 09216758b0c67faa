import NetTypes

extension AddResult {
  /// The result in the JSON form of that version of the specification.
  public func wire(_ version: SpecVersion) -> JSONValue {
    var members = version < .v0_3_0 ? singleAddressForm : listForm(version)
    members["cniVersion"] = .string(version.rawValue)
    if version < .v1_0_0 || !dns.isEmpty { members["dns"] = dns.wire }
    return .object(members)
  }

  /// The form of 0.1.0 and 0.2.0: one address per family and no interfaces; each route is listed under its family's address.
  private var singleAddressForm: [String: JSONValue] {
    var members: [String: JSONValue] = [:]
    for (key, family) in [("ip4", IPFamily.v4), ("ip6", .v6)] {
      guard let ip = ips.first(where: { $0.address.family == family }) else { continue }
      let own = routes.filter { $0.dst.family == family }
      members[key] = object([
        ("ip", .string(ip.address.description)),
        ("gateway", ip.gateway.map { .string($0.description) }),
        ("routes", nonEmpty(own.map { $0.wire(.v0_2_0) })),
      ])
    }
    return members
  }

  private func listForm(_ version: SpecVersion) -> [String: JSONValue] {
    var members: [String: JSONValue] = [:]
    members["interfaces"] = nonEmpty(interfaces.map { $0.wire(version) })
    members["ips"] = nonEmpty(ips.map { $0.wire(version) })
    members["routes"] = nonEmpty(routes.map { $0.wire(version) })
    members["portMappings"] = nonEmpty(portMappings.map(\.json))
    return members
  }
}

extension AllocatedPort {
  /// The JSON form, with the keys of the capability `portMappings`.
  public var json: JSONValue {
    object([
      ("hostIP", hostIP.map { .string($0.description) }), ("hostPort", .integer(Int64(hostPort))),
      ("containerPort", .integer(Int64(containerPort))), ("protocol", .string(transport.description)),
    ])
  }
}

extension AddResult.Interface {
  fileprivate func wire(_ version: SpecVersion) -> JSONValue {
    let new = version >= .v1_1_0
    return object([
      ("name", .string(name)),
      ("mac", text(mac)),
      ("mtu", new ? number(mtu) : nil),
      ("sandbox", text(sandbox)),
      ("socketPath", new ? text(socketPath) : nil),
      ("pciID", new ? text(pciID) : nil),
    ])
  }
}

extension AddResult.IP {
  fileprivate func wire(_ version: SpecVersion) -> JSONValue {
    object([
      ("version", version < .v1_0_0 ? .string(address.family.digit) : nil),
      ("interface", number(interface)),
      ("address", .string(address.description)),
      ("gateway", gateway.map { .string($0.description) }),
    ])
  }
}

extension Route {
  fileprivate func wire(_ version: SpecVersion) -> JSONValue {
    let new = version >= .v1_1_0
    return object([
      ("dst", .string(dst.description)),
      ("gw", gw.map { .string($0.description) }),
      ("mtu", new ? number(mtu) : nil),
      ("advmss", new ? number(advmss) : nil),
      ("priority", new ? number(priority) : nil),
      ("table", new ? number(table) : nil),
      ("scope", new ? number(scope) : nil),
    ])
  }
}

extension DNS {
  fileprivate var wire: JSONValue {
    object([
      ("nameservers", nonEmpty(nameservers.map { .string($0) })),
      ("domain", text(domain)),
      ("search", nonEmpty(search.map { .string($0) })),
      ("options", nonEmpty(options.map { .string($0) })),
    ])
  }
}

private func object(_ members: [(String, JSONValue?)]) -> JSONValue {
  .object(Dictionary(uniqueKeysWithValues: members.compactMap { key, value in value.map { (key, $0) } }))
}

private func nonEmpty(_ values: [JSONValue]) -> JSONValue? { values.isEmpty ? nil : .array(values) }
private func number(_ value: Int?) -> JSONValue? { value.map { .integer(Int64($0)) } }
private func text(_ value: String?) -> JSONValue? { value.flatMap { $0.isEmpty ? nil : .string($0) } }
