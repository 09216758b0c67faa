public import Kernel
public import NetTypes

extension Sysctl {
  /// What makes the host forward packets of these families.
  public static func forwarding(_ families: Set<IPFamily>) -> [Sysctl] {
    var settings: [Sysctl] = []
    if families.contains(.v4) { settings.append(Sysctl("net/ipv4/ip_forward", "1")) }
    if families.contains(.v6) { settings.append(Sysctl("net/ipv6/conf/all/forwarding", "1")) }
    return settings
  }
}
