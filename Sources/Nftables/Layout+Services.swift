import NetTypes

extension Layout {
  /// One element for each owner and service that it is a back-end of; keys are hashes.
  static let serviceUsers = SetSpec(.services, "service_users", key: [.interface], value: .verdict)

  static var serviceChains: [Chain] {
    let each = IPFamily.allCases.map(FamilySets.init(_:))
    let published: [NftRule] = each.map { [.family($0.family), .verdict([.transport, .port], $0.publishedServices)] }
    let lookups: [NftRule] =
      each.map { [.verdict([.address(.destination, $0.family), .transport, .port], $0.services)] }
      + [[.local, .jump("services_published")]]
    return [
      Chain(part: .services, name: "services_published", rules: published),
      Chain(part: .services, name: "services_in", hook: Hook(.nat, .prerouting, -95), rules: lookups),
      Chain(part: .services, name: "services_out", hook: Hook(.nat, .output, -95), rules: lookups),
      Chain(
        part: .services, name: "services_back", hook: Hook(.nat, .postrouting, 99),
        rules: each.map { [.translated, .verdict([.address(.destination, $0.family)], $0.servicesBack)] }),
    ]
  }
}
