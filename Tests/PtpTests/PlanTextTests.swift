import TestSupport
import Testing
@testable import ptp

/// The output of ADD with `CNI_PLAN=1`.
@Suite struct PlanTextTests {
  private static let expected = """
    # shared with other attachments:
    sysctl -w net.ipv4.ip_forward=1
    sysctl -w net.ipv6.conf.all.forwarding=1
    # eth0 of container c1:
    ip link add vethdhcnph54gfu address MAC-1 mtu 1500 group 6516330 type veth peer name eth0 address MAC-2 mtu 1500 netns c1
    sysctl -w net.ipv6.conf.vethdhcnph54gfu.accept_ra=0 || true
    sysctl -w net.ipv6.conf.vethdhcnph54gfu.accept_dad=0 || true
    sysctl -w net.ipv6.conf.vethdhcnph54gfu.disable_ipv6=0
    ip link set dev vethdhcnph54gfu alias cni:net/c1/eth0 group 6516330 up
    # cni:net/c1/eth0: add masquerade of 10.1.0.5 out of 10.1.0.0/24
    # cni:net/c1/eth0: add masquerade of fd00:1::5 out of fd00:1::/64
    ip -n c1 link set dev lo up
    nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.accept_ra=0 || true
    nsenter --net=/run/netns/c1 sysctl -w net.ipv4.conf.eth0.arp_notify=1 || true
    nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.accept_dad=0 || true
    nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.lo.disable_ipv6=0
    nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.disable_ipv6=0
    nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.ndisc_notify=1 || true
    nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.keep_addr_on_down=1 || true
    ip -n c1 link set dev eth0 alias cni:net/c1/eth0 up
    # wait until vethdhcnph54gfu runs
    ip address add 10.1.0.1/32 dev vethdhcnph54gfu noprefixroute
    ip address add fd00:1::1/128 dev vethdhcnph54gfu nodad noprefixroute
    ip route add 10.1.0.5/32 dev vethdhcnph54gfu
    ip route add fd00:1::5/128 dev vethdhcnph54gfu
    ip -n c1 address add 10.1.0.5/24 broadcast 10.1.0.255 dev eth0 noprefixroute
    ip -n c1 address add fd00:1::5/64 dev eth0 nodad noprefixroute
    ip -n c1 route add 10.1.0.1/32 dev eth0 src 10.1.0.5
    ip -n c1 route add fd00:1::1/128 dev eth0 src fd00:1::5
    ip -n c1 route add 10.1.0.0/24 via 10.1.0.1 dev eth0 src 10.1.0.5
    ip -n c1 route add fd00:1::/64 via fd00:1::1 dev eth0 src fd00:1::5
    ip -n c1 route prepend default via 10.1.0.1 dev eth0

    """

  @Test func `CNI_PLAN=1 prints the commands of a ptp ADD`() throws {
    #expect(try Fixture().plan(#""ipMasq":true"#) == Self.expected)
  }
}
