public import Kernel
public import NetTypes

extension Change {
  /// Switches on IP forwarding on the host for these families.
  ///
  /// Equals `sysctl -w net.ipv4.ip_forward=1` and `sysctl -w net.ipv6.conf.all.forwarding=1`.
  ///
  /// - Parameters:
  ///   - families: the families of the containers' addresses.
  ///   - links: the links that lose routes of router advertisements otherwise (`linksThatLoseAdvertisedRoutes`).
  /// - Returns: `accept_ra` of those links, then the forwarding sysctls; empty without families.
  public static func forwarding(_ families: Set<IPFamily>, keepingAdvertisedRoutesOf links: [InterfaceName]) -> [Change]
  {
    var settings: [Sysctl] = []
    if families.contains(.v4) { settings.append(Sysctl("net/ipv4/ip_forward", "1")) }
    guard families.contains(.v6) else { return settings.isEmpty ? [] : [.setSysctls(settings, on: .host)] }
    settings.append(Sysctl("net/ipv6/conf/all/forwarding", "1"))
    let listening = links.map { Sysctl.conf(.v6, $0, "accept_ra", "2") }
    return (listening.isEmpty ? [] : [.setSysctls(listening, on: .host)]) + [.setSysctls(settings, on: .host)]
  }
}
