import CNI
import Kernel
import NetTypes
import TestSupport
import Testing
@testable import bridge

/// The output of ADD with `CNI_PLAN=1`.
@Suite struct PlanTextTests {
  private static let firstPlan = """
    # shared with other attachments:
    ip link add cni0 address MAC-1 mtu 1500 group 6516329 type bridge
    ip link set dev cni0 alias cni:net/
    ip link set dev cni0 type bridge fdb_max_learned 4096 2>/dev/null || true  # ip of iproute2 6.8 or later
    sysctl -w net.ipv6.conf.cni0.accept_ra=0 || true
    ip link set dev cni0 group 6516329 up
    sysctl -w net.ipv6.conf.cni0.disable_ipv6=0
    ip address add 10.1.0.1/24 broadcast 10.1.0.255 dev cni0
    ip address add fd00:1::1/64 dev cni0 nodad
    sysctl -w net.ipv4.ip_forward=1
    sysctl -w net.ipv6.conf.all.forwarding=1
    # eth0 of container c1:
    # cni:net/c1/eth0: add masquerade of 10.1.0.5 out of 10.1.0.0/24
    # cni:net/c1/eth0: add masquerade of fd00:1::5 out of fd00:1::/64
    ip link add vethdhcnph54gfu address MAC-2 mtu 1500 type veth peer name eth0 address MAC-3 mtu 1500 netns c1
    sysctl -w net.ipv6.conf.vethdhcnph54gfu.accept_ra=0 || true
    sysctl -w net.ipv6.conf.vethdhcnph54gfu.disable_ipv6=1 || true
    ip link set dev vethdhcnph54gfu alias cni:net/c1/eth0 master cni0 up
    bridge link set dev vethdhcnph54gfu learning off
    bridge fdb replace MAC-3 dev vethdhcnph54gfu master static sticky
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
    # wait until cni0 runs
    ip -n c1 address add 10.1.0.5/24 broadcast 10.1.0.255 dev eth0
    ip -n c1 address add fd00:1::5/64 dev eth0 nodad
    ip -n c1 route prepend default via 10.1.0.1 dev eth0
    ip -n c1 route prepend ::/0 via fd00:1::1 dev eth0
    # announce 10.1.0.5 fd00:1::5 at MAC-3 on eth0:
    ip -n c1 link set dev eth0 address MAC-3

    """

  private let config = #"{"isDefaultGateway":true,"ipMasq":true,"ipam":{"type":"fake"}}"#

  @Test func `the first container's plan creates the bridge`() throws {
    let text = try Fixture().plan(config)
    #expect(text == Self.firstPlan)
  }

  @Test func `the second container's plan does not change the bridge`() throws {
    let first = Fixture()
    _ = try first.add(config)
    let second = first.next("c2", as: "eth1")
    second.ipam.answer.ips = [.init(address: "10.1.0.6/24", gateway: "10.1.0.1")]
    let veth = second.owner.hostInterface
    let text = try second.plan(config)
    #expect(
      text == """
        # eth1 of container c2:
        # cni:net/c2/eth1: add masquerade of 10.1.0.6 out of 10.1.0.0/24
        ip link add \(veth) address MAC-1 mtu 1500 type veth peer name eth1 address MAC-2 mtu 1500 netns c1
        sysctl -w net.ipv6.conf.\(veth).accept_ra=0 || true
        sysctl -w net.ipv6.conf.\(veth).disable_ipv6=1 || true
        ip link set dev \(veth) alias cni:net/c2/eth1 master cni0 up
        bridge link set dev \(veth) learning off
        bridge fdb replace MAC-2 dev \(veth) master static sticky
        ip -n c1 link set dev lo up
        nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth1.accept_ra=0 || true
        nsenter --net=/run/netns/c1 sysctl -w net.ipv4.conf.eth1.arp_notify=1 || true
        nsenter --net=/run/netns/c1 sysctl -w net.ipv6.conf.eth1.accept_dad=0 || true
        ip -n c1 link set dev eth1 up
        # wait until \(veth) runs
        ip -n c1 address add 10.1.0.6/24 broadcast 10.1.0.255 dev eth1
        ip -n c1 route prepend default via 10.1.0.1 dev eth1
        # announce 10.1.0.6 at MAC-2 on eth1:
        ip -n c1 link set dev eth1 address MAC-2

        """)
  }
}
