import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// Where the container is, as the plugins before this one made it: its first address of each family.
struct ContainerPlace {
  private var addresses: [IPFamily: IPPrefix] = [:]
  /// The link on the host by which each is reached; empty where nobody needs to know.
  private var links: [IPFamily: InterfaceName] = [:]

  /// Addresses of that interface in the container; one that names no interface is taken to be its.
  init(of interface: InterfaceName, in previous: AddResult) {
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

  /// Those it has an address of, IPv4 first.
  var families: [IPFamily] { IPFamily.allCases.filter { addresses[$0] != nil } }

  func address(_ family: IPFamily) -> IPAddress? { addresses[family]?.address }

  /// - Throws: code 7 where the container has no address of that family.
  func prefix(_ family: IPFamily, for what: String, place: String) throws(CNIError) -> IPPrefix {
    guard let prefix = addresses[family] else {
      let has = families.isEmpty ? "no address" : "no IPv\(family.digit) address"
      throw CNIError(
        .invalidNetworkConfig, "key \"\(place)\": \(what): the container's interface has \(has) in prevResult")
    }
    return prefix
  }

  /// The link on the host by which the container's address of that family is reached.
  ///
  /// - Throws: code 7 where no route leads there.
  mutating func link<K: Kernel & ~Copyable>(
    to prefix: IPPrefix, on kernel: inout K
  ) throws(CNIError) -> InterfaceName {
    if let known = links[prefix.family] { return known }
    let found = try translating { () throws(KernelError) in try kernel.link(towards: prefix.address) }
    guard let link = found else {
      throw CNIError(
        .invalidNetworkConfig,
        "look up the route to the container's address \(prefix.address): none: want a network that the host reaches")
    }
    links[prefix.family] = link.name
    return link.name
  }
}
