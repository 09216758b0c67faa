import TestSupport
import Testing
@testable import overlay_vxlan

/// The output of ADD with `CNI_PLAN=1`.
@Suite struct PlanTextTests {
  private static let expected = """
    # shared with other attachments:
    # replace packet filter rules of cni:net/host/vxlan:
    # cni:net/host/vxlan: add UDP port 4789 for VXLAN packets of 2 hosts, not of containers
    ip link add ov-net address MAC-1 mtu 1450 group 6516329 type bridge
    ip link set dev ov-net type bridge fdb_max_learned 4096 2>/dev/null || true  # ip of iproute2 6.8 or later
    sysctl -w net.ipv6.conf.ov-net.accept_ra=0 || true
    sysctl -w net.ipv6.conf.ov-net.accept_dad=0 || true
    sysctl -w net.ipv6.conf.ov-net.addr_gen_mode=0
    sysctl -w net.ipv6.conf.ov-net.disable_ipv6=0
    ip link set dev ov-net alias cni:net/ group 6516329 up
    ip link add vx-net address MAC-2 mtu 1450 group 6516329 type vxlan id 100 dstport 4789 local 192.0.2.1 nolearning
    sysctl -w net.ipv6.conf.vx-net.accept_ra=0 || true
    sysctl -w net.ipv6.conf.vx-net.accept_dad=0 || true
    sysctl -w net.ipv6.conf.vx-net.addr_gen_mode=1 || true
    sysctl -w net.ipv6.conf.vx-net.disable_ipv6=0
    ip link set dev vx-net alias cni:net/ group 6516329 up
    ip link set dev vx-net address MAC-2
    ip address add 10.1.0.0/32 dev vx-net noprefixroute
    ip address add fd00:1::/128 dev vx-net nodad preferred_lft 0 noprefixroute
    sysctl -w net.ipv6.conf.ov-net.disable_ipv6=0
    ip address add 10.1.0.1/24 broadcast 10.1.0.255 dev ov-net
    ip address add fd00:1::1/64 dev ov-net nodad
    sysctl -w net.ipv4.ip_forward=1
    sysctl -w net.ipv6.conf.all.forwarding=1
    bridge fdb replace MAC-3 dev vx-net dst 192.0.2.2 self permanent
    bridge fdb replace MAC-4 dev vx-net dst 192.0.2.3 self permanent
    ip neighbour replace 10.2.0.0 lladdr MAC-3 dev vx-net nud permanent
    ip neighbour replace 10.3.0.0 lladdr MAC-4 dev vx-net nud permanent
    ip neighbour replace fd00:3:: lladdr MAC-4 dev vx-net nud permanent
    ip route add 10.2.0.0/24 via 10.2.0.0 dev vx-net src 10.1.0.1 onlink
    ip route add 10.3.0.0/24 via 10.3.0.0 dev vx-net src 10.1.0.1 onlink
    ip route add fd00:3::/64 via fd00:3:: dev vx-net src fd00:1::1 onlink
    # eth0 of container c1:
    # cni:net/c1/eth0: add isolation of bridge ov-net and vx-net
    # cni:net/c1/eth0: add source addresses 10.1.0.5, fd00:1::5 of vethdhcnph54gfu
    ip link add vethdhcnph54gfu address MAC-5 mtu 1450 type veth peer name eth0 address MAC-6 mtu 1450 netns c1
    sysctl -w net.ipv6.conf.vethdhcnph54gfu.accept_ra=0 || true
    sysctl -w net.ipv6.conf.vethdhcnph54gfu.disable_ipv6=1 || true
    ip link set dev vethdhcnph54gfu alias cni:net/c1/eth0 master ov-net up
    bridge link set dev vethdhcnph54gfu learning off
    bridge fdb replace MAC-6 dev vethdhcnph54gfu master static sticky
    ip -n c1 link set dev lo up
    nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.accept_ra=0 || true
    nsenter --net=/run/netns/c1 sysctl -w net.ipv4.conf.eth0.arp_notify=1 || true
    nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.accept_dad=0 || true
    nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.lo.disable_ipv6=0
    nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.disable_ipv6=0
    nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.ndisc_notify=1 || true
    nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth0.keep_addr_on_down=1 || true
    ip -n c1 link set dev eth0 up
    # wait until vethdhcnph54gfu runs
    # wait until ov-net runs
    ip -n c1 address add 10.1.0.5/24 broadcast 10.1.0.255 dev eth0
    ip -n c1 address add fd00:1::5/64 dev eth0 nodad
    ip -n c1 route prepend default via 10.1.0.1 dev eth0
    ip -n c1 route prepend ::/0 via fd00:1::1 dev eth0
    # announce 10.1.0.5 fd00:1::5 at MAC-6 on eth0:
    ip -n c1 link set dev eth0 address MAC-6

    """

  @Test func `CNI_PLAN=1 prints the commands of an overlay-vxlan ADD`() throws {
    #expect(try Fixture().plan(Fixture.routed) == Self.expected)
  }
}
