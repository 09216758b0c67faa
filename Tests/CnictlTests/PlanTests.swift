import Testing

/// `cnictl plan` with the built plugins.
@Suite struct PlanTests {
  private static let networks = #"""
    cat > /run/net.d/web.conflist <<'END'
    {"cniVersion":"1.1.0","name":"web","plugins":[
      {"type":"bridge","bridge":"t-br0","isDefaultGateway":true,"ipMasq":true,
       "ipam":{"type":"ipam-host-local","subnet":"10.77.0.0/24"}},
      {"type":"portmap","capabilities":{"portMappings":true}}, {"type":"firewall"},
      {"type":"tuning","mtu":1400,"sysctl":{"net.ipv4.conf.IFNAME.arp_filter":"1"}}]}
    END
    cnictl netns add c1 > /run/null; cnictl netns add c2 > /run/null
    # The usual PATH has the plugin `bridge`, which would hide the command bridge(8).
    run() { PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -e $1; }
    host() {
      for n in "" "-n c1" "-n c2"; do ip $n -d link; ip $n address; ip $n route show table all; done
      nft list ruleset
      grep -rs . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf /proc/sys/net/ipv4/ip_forward || true
      find /run /var/lib -path /run/netns -prune -o -type f -exec md5sum {} +; find /run /var/lib
    }

    """#

  @Test func `plan changes nothing, and its commands make what connect makes`() throws {
    let output = try Sandbox.output(
      Self.networks + #"""
        host > /tmp/t-plan.$$; cnictl plan web c1 -p 8080:80 > /tmp/t-lines.$$
        host | diff /tmp/t-plan.$$ - && echo unchanged
        run /tmp/t-lines.$$ > /run/null; cnictl plan web c2 --ip 10.77.0.3 > /tmp/t-lines.$$
        grep -c 'ip link add' /tmp/t-lines.$$
        run /tmp/t-lines.$$ > /run/null; rm /tmp/t-plan.$$ /tmp/t-lines.$$
        for address in 10.77.0.3 10.77.0.1; do
          cnictl netns exec c1 ping -q -c 1 -W 2 $address > /run/null && echo "c1 reaches $address"
        done
        ip -n c1 link show eth0 | grep -o 'mtu [0-9]*'; ip -n c1 route | grep -o 'default via [^ ]*'
        nft list map inet swift_cni ports4 | grep -o '8080 .* : .*80'
        """#)
    #expect(
      output == """
        unchanged
        1
        c1 reaches 10.77.0.3
        c1 reaches 10.77.0.1
        mtu 1400
        default via 10.77.0.1
        8080 comment "cni:web/c1/eth0 ports" : 10.77.0.2 . 80

        """)
  }

  @Test func `the planned result has the same addresses and routes as connect`() throws {
    let output = try Sandbox.output(
      Self.networks + """
        cnictl plan web c1 --result | tail -n 1 | grep -o '"ips".*'
        cnictl plan web c1 --json | grep -c '"commands"'
        cnictl connect web c1 | sed 's/ mac .*//'; cnictl disconnect web c1
        """)
    #expect(
      output == """
        "ips":[{"address":"10.77.0.2/24","gateway":"10.77.0.1","interface":2}],"routes":[{"dst":"0.0.0.0/0","gw":"10.77.0.1"}]}
        1
        connected c1 to web as eth0: 10.77.0.2/24
        disconnected c1 from web: eth0 is gone

        """)
  }

  @Test func `plan does not run a plugin that does not support plans`() throws {
    let refused = try Sandbox.refusal(
      """
      network other fake; cnictl netns add c1 > /run/null
      cnictl plan other c1
      """)
    #expect(refused.contains("plan: plugin fake would change the host: want fake of this suite (code 7)"))
    let ipamRefusal = try Sandbox.refusal(
      """
      network other bridge ',"ipam":{"type":"fake"}'; cnictl netns add c1 > /run/null
      cnictl plan other c1 || { [ ! -e /run/calls ] && exit 1; }
      """)
    #expect(ipamRefusal.contains("plan: IPAM plugin fake would assign an address: want host-local of this suite"))
  }

  @Test(arguments: ["DEL", "CHECK", "GC", "STATUS"])
  func `all commands other than ADD refuse CNI_PLAN`(command: String) throws {
    let output = try Sandbox.run(
      """
      export CNI_PLAN=1 CNI_COMMAND=\(command) CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/c1 CNI_IFNAME=eth0
      echo '{"cniVersion":"1.1.0","name":"n","type":"bridge"}' | bridge
      """)
    #expect(output.status == 1)
    #expect(output.output.contains(#""code":4"#) && output.output.contains("CNI_PLAN=1 with CNI_COMMAND=\(command)"))
  }
}
