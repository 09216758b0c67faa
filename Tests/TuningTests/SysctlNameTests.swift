import NetTypes
import TestSupport
import Testing
@testable import tuning

@Suite struct SysctlNameTests {
  static let paths: [(String, InterfaceName, String)] = [
    ("net.ipv4.ip_forward", "eth0", "net/ipv4/ip_forward"),
    ("net/ipv4/ip_forward", "eth0", "net/ipv4/ip_forward"),
    ("/net/ipv4/ip_forward", "eth0", "net/ipv4/ip_forward"),
    ("net..ipv4.ip_forward.", "eth0", "net/ipv4/ip_forward"),
    ("net.ipv4.conf.IFNAME.arp_notify", "eth0", "net/ipv4/conf/eth0/arp_notify"),
    ("net.ipv4.conf.IFNAME.arp_notify", "eth0.100", "net/ipv4/conf/eth0.100/arp_notify"),
    ("net/ipv4/conf/eth0.100/arp_notify", "eth0", "net/ipv4/conf/eth0.100/arp_notify"),
    ("net.ipv4.conf.eth0/100.arp_notify", "eth0", "net/ipv4/conf/eth0.100/arp_notify"),
    ("net.ipv4.conf.IFNAME/100.arp_notify", "eth0", "net/ipv4/conf/eth0.100/arp_notify"),
    ("net.IFNAME.IFNAME", "eth0", "net/eth0/IFNAME"),
    ("net.ipv4.conf.IFNAME.arp_notify", "äöü", "net/ipv4/conf/äöü/arp_notify"),
  ]

  @Test(arguments: paths)
  func `a sysctl name is converted to a path below net`(text: String, interface: InterfaceName, path: String) {
    #expect(SysctlName(text)?.path(for: interface) == path)
  }

  @Test(arguments: [
    "", ".", "/", "net", "net.", "net/", "kernel.shmmax", "/kernel/net/x", "netfoo/bar", "net/../kernel/shmmax",
    "net/./ipv4", "net.ipv4.//.x", "net.ipv4./.x", "net/ipv4/..", "../net/ipv4", "net.ipv4\0.x", "net.ipv4.a b",
    "net.ipv4\n.x", "IFNAME.ipv4", "NET.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward",
  ])
  func `a sysctl name outside net is refused`(text: String) {
    #expect(SysctlName(text) == nil)
  }

  @Test(arguments: [
    ("net.ipv4.conf.IFNAME.arp_notify", "net.ipv4.conf.IFNAME.arp_notify"),
    ("/net/ipv4/conf/eth0.100/arp_notify", "net.ipv4.conf.eth0/100.arp_notify"),
    ("net/ipv4/conf/ä.ö/arp_notify", "net.ipv4.conf.ä/ö.arp_notify"),
  ])
  func `a sysctl name is written with dots for the allow list`(text: String, dotted: String) {
    #expect(SysctlName(text)?.dotted == dotted)
  }
}
