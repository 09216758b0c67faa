import Kernel
import NetTypes
import Netlink
import TestSupport

/// The state of a host and its container that tests compare, read from the kernel.
struct Snapshot: Equatable, Sendable {
  var links: [String] = []
  var addresses: [String] = []
  var routes: [String] = []
  var sysctls: [String] = []

  static let watched = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv6/conf/lo/disable_ipv6"]

  init(of path: String) throws(KernelError) {
    var kernel = try LiveKernel.open(containerNamespace: path)
    for netns in NetNS.allCases {
      for link in try kernel.allLinks(on: netns) {
        links.append("\(netns) \(link.name) \(link.kind ?? "-") up \(link.isUp) mtu \(link.mtu) \(link.alias ?? "")")
        addresses += try kernel.addresses(of: link.name, on: netns).map { "\(netns) \(link.name) \($0)" }
        routes += try kernel.routes(of: link.name, on: netns).map { "\(netns) \($0)" }
      }
      for key in Self.watched { sysctls.append("\(netns) \(key) \(try kernel.sysctl(key, on: netns) ?? "-")") }
    }
  }
}

/// Makes the changes on a new host with a new container and returns the state afterwards.
func after(_ changes: [Change]) throws -> Snapshot {
  try inFreshNamespace { path in
    var kernel = try LiveKernel.open(containerNamespace: path)
    for change in changes { try kernel.apply(change) }
    return try Snapshot(of: path)
  }
}

/// Creates a bridge, and a container's interface as its port.
let attachment: [Change] = [
  .createLink(LinkSpec("br0", kind: .bridge(filtersVLANs: false), mac: "02:00:00:00:00:01", mtu: 1400)),
  .changeLink("br0", on: .host, LinkChange(isUp: true, alias: "cni:net/")),
  .createLink(
    LinkSpec(
      "veth0", kind: .veth(peer: .init(name: "eth0", mac: "02:00:00:00:00:03")), mac: "02:00:00:00:00:02", mtu: 1400)),
  .changeLink("veth0", on: .host, LinkChange(isUp: true, alias: "cni:net/c1/eth0", master: "br0")),
  .changeLink("lo", on: .container, LinkChange(isUp: true)),
  .changeLink("eth0", on: .container, LinkChange(isUp: true)),
  .awaitRunning("veth0"),
]
