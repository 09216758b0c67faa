import Testing

@Suite struct OverlayTests {
  /// A link to a LAN without other hosts.
  private static let underlay = """
    ip link add eth0 type veth peer name lan; ip address add 192.0.2.1/24 dev eth0
    ip link set eth0 up; ip link set lan up

    """

  @Test func `an overlay network is created, used and removed with Docker's options`() throws {
    let output = try Sandbox.output(
      Self.underlay + """
        cnictl network create -d overlay --subnet 10.9.0.0/16 -o vni=9 \\
          -o peers=192.0.2.1=10.9.1.0/24,192.0.2.2=10.9.2.0/24 blue > /run/null
        cnictl validate /run/net.d/blue.conflist
        cnictl network ls | awk 'NR > 1 { print $2, $3 }'
        cnictl network inspect blue | grep driver
        cnictl netns add c1 > /run/null; cnictl connect blue c1 | sed 's/ mac .*//'
        ip route show 10.9.2.0/24 | grep -o 'dev [^ ]*'
        cnictl validate /run/net.d/blue.conflist; cnictl check; cnictl status | grep -c ready
        cnictl disconnect blue c1; ip -oneline link show type vxlan | grep -o vx-blue
        cnictl network rm blue; ip -oneline link | cut -d: -f2 | cut -d@ -f1 | sort
        """)
    #expect(
      output == """
        /run/net.d/blue.conflist: ok
        blue overlay
          "driver": "overlay",
        connected c1 to blue as eth0: 10.9.1.2/24
        dev vx-blue
        /run/net.d/blue.conflist: ok
        c1 blue eth0: ok
        1
        disconnected c1 from blue: eth0 is gone
        vx-blue
        blue
         eth0
         lan
         lo

        """)
  }

  @Test(arguments: [
    ("-o cluster-store=consul://localhost:8500", "only etcd is supported: want etcd://HOST:PORT (code 2)"),
    ("", "no control plane is given"),
    ("-o peersFile=/etc/peers.json --subnet 10.9.0.0/16", "option vni is missing"),
  ])
  func `missing or unsupported overlay options are refused and nothing is created`(arguments: String, fragment: String)
    throws
  {
    let answer = try Sandbox.run("cnictl network create -d overlay \(arguments) blue || ls /run/net.d")
    #expect(answer.errors.contains(fragment), "\(answer.errors)")
    #expect(answer.output.isEmpty)
  }
}
