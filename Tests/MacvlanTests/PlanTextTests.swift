import CNI
import Kernel
import TestSupport
import Testing
@testable import macvlan

/// The output of ADD with `CNI_PLAN=1`.
@Suite struct PlanTextTests {
  @Test func `CNI_PLAN=1 prints the commands of a macvlan ADD`() throws {
    let fixture = Fixture()
    #expect(
      try fixture.plan(#""master":"up0""#) == """
        # eth0 of container c1:
        ip link add link up0 name eth0 address MAC-1 netns c1 type macvlan mode bridge
        ip -n c1 link set dev lo up
        nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.accept_ra=0 || true
        nsenter --net=/run/netns/c1 sysctl -w net.ipv4.conf.eth0.arp_notify=1 || true
        nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.accept_dad=0 || true
        nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.lo.disable_ipv6=0
        nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.disable_ipv6=0
        nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.ndisc_notify=1 || true
        nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.keep_addr_on_down=1 || true
        ip -n c1 link set dev eth0 alias cni:net/c1/eth0 up
        ip -n c1 address add 10.1.0.5/24 broadcast 10.1.0.255 dev eth0
        ip -n c1 address add fd00:1::5/64 dev eth0 nodad
        ip -n c1 route prepend default via 10.1.0.254 dev eth0
        ip -n c1 route prepend ::/0 via fd00:1::fe dev eth0 metric 7
        # announce 10.1.0.5 fd00:1::5 at MAC-1 on eth0:
        ip -n c1 link set dev eth0 address MAC-1

        """)
  }
}
