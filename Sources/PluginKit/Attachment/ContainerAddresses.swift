public import CNI
public import Kernel
public import NetTypes

/// The container's addresses from `prevResult`: the first one of each family.
public struct ContainerAddresses {
  private var addresses: [IPFamily: IPPrefix] = [:]
  /// The host's link towards each address; filled in only if it is needed.
  private var links: [IPFamily: InterfaceName] = [:]

  /// The addresses of that interface in the container; an address without an `interface` index counts as one of them.
  public init(of interface: InterfaceName, in previous: AddResult) {
    for ip in previous.ips {
      if let index = ip.interface {
        guard previous.interfaces.indices.contains(index) else { continue }
        let owner = previous.interfaces[index]
        guard owner.name == interface.description, owner.sandbox?.isEmpty == false else { continue }
      }
      guard addresses[ip.address.family] == nil else { continue }
      addresses[ip.address.family] = ip.address
    }
  }

  /// The families of its addresses, IPv4 first.
  public var families: [IPFamily] { IPFamily.allCases.filter { addresses[$0] != nil } }

  public func address(_ family: IPFamily) -> IPAddress? { addresses[family]?.address }

  /// - Throws: code 7 if the container has no address of that family.
  public func prefix(_ family: IPFamily, for what: String, configKey: String) throws(CNIError) -> IPPrefix {
    guard let prefix = addresses[family] else {
      let has = families.isEmpty ? "no address" : "no IPv\(family.digit) address"
      throw CNIError(
        .invalidNetworkConfig, "key \"\(configKey)\": \(what): the container's interface has \(has) in prevResult")
    }
    return prefix
  }

  /// The host's link in the route to the container's address of that family.
  ///
  /// - Throws: code 7 if there is no route.
  public mutating func link<K: Kernel & ~Copyable>(
    to prefix: IPPrefix, on kernel: inout K
  ) throws(CNIError) -> InterfaceName {
    if let cached = links[prefix.family] { return cached }
    let hostLink = try convertingErrors { () throws(KernelError) in try kernel.outgoingLink(to: prefix.address) }
    guard let link = hostLink else {
      throw CNIError(
        .invalidNetworkConfig,
        "look up the route to the container's address \(prefix.address): none: want a network that the host reaches")
    }
    links[prefix.family] = link.name
    return link.name
  }
}
