public import CNI
public import Kernel
import NetTypes

/// A link that is only in the container and has no end on the host.
public struct ContainerInterface {
  /// How neighbours learn the MAC address for the link's addresses.
  public enum Announcement: Sendable {
    /// By setting its MAC address to its present value: the kernel then sends gratuitous ARP and unsolicited NA.
    case bySettingMAC
    /// By the kernel's announcement when the link comes up: for links whose MAC address cannot be set.
    case byLinkUp
    /// It has no neighbours.
    case none
  }

  public var spec: LinkSpec
  public var owner: AttachmentID
  public var addressing: Addressing
  /// Largest packet, in bytes, for the CNI result.
  public var mtu: Int?
  /// The container's namespace.
  public var sandbox: String
  public var dns: DNS
  public var announcement = Announcement.bySettingMAC

  public init(
    _ spec: LinkSpec, of owner: AttachmentID, _ addressing: Addressing, mtu: Int?, sandbox: String, dns: DNS,
    announcement: Announcement = .bySettingMAC
  ) {
    self.spec = spec
    self.owner = owner
    self.addressing = addressing
    self.mtu = mtu
    self.sandbox = sandbox
    self.dns = dns
    self.announcement = announcement
  }

  /// The changes and the CNI result.
  ///
  /// - Throws: code 7 for an MTU or a route that is not valid.
  public func plan() throws(CNIError) -> AttachmentPlan {
    if let mtu, mtu < Addressing.lowestMTUForIPv6, addressing.families.contains(.v6) {
      throw CNIError(
        .invalidNetworkConfig, "key \"mtu\": \(mtu): want \(Addressing.lowestMTUForIPv6) or more for IPv6")
    }
    return AttachmentPlan(shared: [], own: try changes(), result: result)
  }

  private func changes() throws(CNIError) -> [Change] {
    var changes: [Change] = [.createLink(spec)]
    if let lo = InterfaceName("lo") { changes.append(.changeLink(lo, on: .container, LinkChange(isUp: true))) }
    if !addressing.sysctls.isEmpty { changes.append(.setSysctls(addressing.sysctls, on: .container)) }
    let up = Change.changeLink(spec.name, on: .container, LinkChange(isUp: true, alias: owner.tag))
    switch announcement {
    case .bySettingMAC: return changes + [up] + (try addressing.changes())
    case .byLinkUp: return changes + (try addressing.changes(comingUpBy: up))
    case .none: return changes + [up] + (try addressing.changes(announcing: false))
    }
  }

  private var result: AddResult {
    AddResult(
      interfaces: [
        .init(name: spec.name.description, mac: addressing.mac.description, mtu: mtu, sandbox: sandbox)
      ],
      ips: addressing.ips.map { AddResult.IP(interface: 0, address: $0.address, gateway: $0.gateway) },
      routes: addressing.routes, dns: dns)
  }
}
