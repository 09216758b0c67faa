import Kernel
public import NetTypes
import Netlink

/// Links, addresses, routes and sysctls of the host and a container, read from the running kernel.
public struct KernelState: Equatable, Sendable {
  public var links: [String] = []
  public var addresses: [String] = []
  public var routes: [String] = []
  public var sysctls: [String] = []

  private static let watched = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv6/conf/lo/disable_ipv6"]

  public init(of path: String) throws(KernelError) {
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
