public import Kernel
public import NetTypes

extension Change {
  /// Makes the host forward packets of these families.
  ///
  /// - Parameters:
  ///   - families: those of the containers' addresses.
  ///   - links: those that lose routes of router advertisements otherwise (`linksThatLoseAdvertisedRoutes`).
  /// - Returns: the settings of those links, then the switches; nothing without families.
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
