import Testing

@Suite struct RealPluginTests {
  @Test func `a container on two networks keeps the first when it is disconnected from the second`() throws {
    let ipam = #","isGateway":true,"ipam":{"type":"ipam-host-local","ranges":[[{"subnet":"#
    let output = try Sandbox.output(
      """
      network bridge bridge ',"bridge":"t-br0"\(ipam)"172.17.0.0/16"}]]}'
      network isolated_nw bridge ',"bridge":"t-br1"\(ipam)"172.20.0.0/16"}]]}'
      for number in 1 2 3; do cnictl netns add container$number > /run/null; done
      reach() { cnictl netns exec $1 ping -q -c 1 -W 1 $2 &> /run/null && echo "$1 reaches $2" || echo "$1 misses $2"; }
      connect() { cnictl connect $1 $2 | sed 's/ mac .*//'; }
      connect bridge container1; connect bridge container2; connect isolated_nw container3
      reach container2 172.20.0.2; connect isolated_nw container2; reach container2 172.20.0.2
      cnictl disconnect isolated_nw container2; reach container2 172.20.0.2; reach container2 172.17.0.2
      cnictl netns exec container2 ip -oneline -4 address | awk '{ print $2, $4 }'
      cnictl network inspect isolated_nw | grep -c endpoint
      """)
    #expect(
      output == """
        connected container1 to bridge as eth0: 172.17.0.2/16
        connected container2 to bridge as eth0: 172.17.0.3/16
        connected container3 to isolated_nw as eth0: 172.20.0.2/16
        container2 misses 172.20.0.2
        connected container2 to isolated_nw as eth1: 172.20.0.3/16
        container2 reaches 172.20.0.2
        disconnected container2 from isolated_nw: eth1 is gone
        container2 misses 172.20.0.2
        container2 reaches 172.17.0.2
        lo 127.0.0.1/8
        eth0 172.17.0.3/16
        1

        """)
  }

  @Test func `a chain of real plugins is connected, checked and removed`() throws {
    let output = try Sandbox.output(
      """
      network wire bridge ',"bridge":"t-br0"'; network quiet none
      cnictl netns add c1 > /run/null
      cnictl connect wire c1 | sed 's/mac.*/mac/'
      cnictl connect quiet c1 --ifname lo1 | sed 's/:.*//'
      cnictl netns exec c1 ip -oneline link show eth0 | grep -o 'state UP'
      ip -oneline link show master t-br0 | wc -l
      cnictl check
      cnictl disconnect wire c1; cnictl disconnect quiet c1
      cnictl network rm wire quiet
      ip -oneline link | cut -d: -f2
      """)
    #expect(
      output == """
        connected c1 to wire as eth0: mac
        connected c1 to quiet as lo1
        state UP
        1
        c1 quiet lo1: ok
        c1 wire eth0: ok
        disconnected c1 from wire: eth0 is gone
        disconnected c1 from quiet: lo1 is gone
        wire
        quiet
         lo

        """)
  }

  @Test func `the network with the highest gwPriority has the default route, and the next one after disconnect`() throws
  {
    let output = try Sandbox.output(
      """
      ip link add eth0 type veth peer name lan; ip link set eth0 up; ip link set lan up
      create() { cnictl network create "$@" > /run/null; }
      create -d macvlan --subnet 192.168.7.0/24 --gateway 192.168.7.9 -o parent=eth0 -o gwPriority=1 lan
      create -d bridge --subnet 10.7.0.0/24 -o gwPriority=0 local
      cnictl network ls | awk 'NR > 1 { print $2, $3 }'
      cnictl netns add c1 > /run/null
      route() { cnictl netns exec c1 ip route show default | awk '{ print $3, $5; exit }'; }
      cnictl connect local c1 > /run/null; route
      cnictl connect lan c1 --mac 02:00:00:00:00:07; route
      cnictl check; cnictl disconnect lan c1; route
      """)
    #expect(
      output == """
        lan macvlan
        local bridge
        10.7.0.1 eth0
        connected c1 to lan as eth1: 192.168.7.1/24 mac 02:00:00:00:00:07
        192.168.7.9 eth1
        c1 lan eth1: ok
        c1 local eth0: ok
        disconnected c1 from lan: eth1 is gone
        10.7.0.1 eth0

        """)
  }

  @Test func `connect keeps the metrics of default routes from router advertisements and daemons`() throws {
    let output = try Sandbox.output(
      """
      cnictl network create --subnet 10.8.0.0/24 first > /run/null
      cnictl network create --ipv6 --subnet 10.7.0.0/24 --subnet fd00:7::/64 second > /run/null
      cnictl netns add c1 > /run/null; cnictl connect first c1 > /run/null
      inside() { cnictl netns exec c1 ip "$@"; }
      inside route add default via 10.8.0.9 dev eth0 proto bird metric 50
      inside -6 route add default via fe80::9 dev eth0 proto ra metric 1024
      cnictl connect second c1 > /run/null
      for family in -4 -6; do inside $family route show default | sed 's/ pref medium//; s/ *$//'; done
      """)
    #expect(
      output == """
        default via 10.8.0.9 dev eth0 proto bird metric 50
        default via 10.7.0.1 dev eth1 metric 4294304
        default via 10.8.0.1 dev eth0 metric 4294305
        default via fe80::9 dev eth0 proto ra metric 1024
        default via fd00:7::1 dev eth1 metric 4294304

        """)
  }

  @Test func `create warns that an internal network on a parent still reaches the parent's network`() throws {
    let made = try Sandbox.run(
      """
      cnictl network create -d macvlan --internal --subnet 192.168.7.0/24 -o parent=eth0 lan > /run/null
      """)
    #expect(made.status == 0)
    #expect(
      made.errors
        == "cnictl: network lan has no default route, but its containers reach the hosts on its parent's network\n")
  }

  @Test func `network host accepts only the host's namespace`() throws {
    let script = "network host host; cnictl netns add c1 > /run/null\n"
    #expect(try Sandbox.output(script + "cnictl connect host --pid $$ | cut -d: -f1").hasPrefix("connected ns-"))
    #expect(try Sandbox.refusal(script + "cnictl connect host c1").contains("plugin host ADD: "))
  }
}
