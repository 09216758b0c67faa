import CNI
import NetTypes

extension RangeConfig {
  /// The range with every default filled in.
  ///
  /// `key` is the range's key in the configuration, `autoSubnets` has the subnets for `auto`, no range hands out `excluded`.
  ///
  /// - Throws: code 7.
  func resolved(key: String, autoSubnets: [IPFamily: IPPrefix], excluded: [AddressSpan]) throws(CNIError)
    -> AddressRange
  {
    let subnet = try subnet(key: key, autoSubnets: autoSubnets)
    let hosts = RangeConfig.hosts(of: subnet)
    let start = try checkedAddress(rangeStart, in: subnet, key: "\(key).rangeStart") ?? hosts.first
    let end = try checkedAddress(rangeEnd, in: subnet, key: "\(key).rangeEnd") ?? hosts.last
    guard let span = AddressSpan(start, through: end) else {
      let culprit = rangeEnd == nil ? "rangeStart \(start)" : "rangeEnd \(end)"
      throw refusal("\(key).\(culprit): the range \(start)-\(end) ends before it starts")
    }
    if let gateway, gateway.family != subnet.family {
      throw refusal("\(key).gateway \(gateway): want an address of the family of subnet \(subnet)")
    }
    for (index, own) in (exclude ?? []).enumerated() where !own.overlaps(AddressSpan(subnet)) {
      throw refusal("\(key).exclude[\(index)] \(own): not in subnet \(subnet)")
    }
    return AddressRange(
      key: key, subnet: subnet, span: span, gateway: gateway ?? RangeConfig.defaultGateway(of: subnet),
      excluded: excluded + (exclude ?? []))
  }

  private func subnet(key: String, autoSubnets: [IPFamily: IPPrefix]) throws(CNIError) -> IPPrefix {
    switch subnet {
    case .fixed(let prefix):
      guard prefix.address == prefix.first else {
        throw refusal("\(key).subnet \(prefix): host bits are set: want \(prefix.network)")
      }
      guard !prefix.address.isMulticast else {
        throw refusal("\(key).subnet \(prefix): multicast: want unicast addresses")
      }
      return prefix
    case .automatic(let family):
      guard let prefix = autoSubnets[family] else {
        throw CNIError(.poolExhausted, "\(key).subnet \(SubnetSource.automatic(family)): no unused subnet is left")
      }
      return prefix
    case nil:
      throw refusal("\(key).subnet: missing: want \(SubnetSource.expectedForm)")
    }
  }

  private func checkedAddress(_ address: IPAddress?, in subnet: IPPrefix, key: String) throws(CNIError) -> IPAddress? {
    guard let address else { return nil }
    guard subnet.contains(address) else { throw refusal("\(key) \(address): not in subnet \(subnet)") }
    return address
  }

  /// The default range: all addresses except the network's own and the broadcast address.
  ///
  /// /31 and /127 (RFC 3021, RFC 6164), /32 and /128 have neither of these two.
  private static func hosts(of subnet: IPPrefix) -> AddressSpan {
    let all = AddressSpan(subnet)
    guard subnet.hostBits > 1, let second = all.first.advanced(by: 1) else { return all }
    let last = subnet.broadcast == nil ? all.last : all.last.predecessor ?? all.last
    return AddressSpan(second, through: last) ?? all
  }

  /// The first host address of the subnet; `nil` if the subnet has only one address.
  private static func defaultGateway(of subnet: IPPrefix) -> IPAddress? {
    subnet.hostBits == 0 ? nil : hosts(of: subnet).first
  }
}

func refusal(_ message: String) -> CNIError { CNIError(.invalidNetworkConfig, message) }
