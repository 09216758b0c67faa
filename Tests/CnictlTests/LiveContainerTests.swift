import Testing

/// `old_libcni` makes cached results what libcni before 1.2 writes: without the namespace. `forget` leaves no trace of it.
private let setup = #"""
  old_libcni() { sed -i 's#"netns":"[^"]*",##' /var/lib/cni/results/*; }
  forget() { old_libcni; sed -i 's#,"sandbox":"[^"]*"##' /var/lib/cni/results/*; }
  reach() { cnictl netns exec $1 ping -q -c 1 -W 1 $2 &> /run/null && echo "$1 reaches $2" || echo "$1 misses $2"; }

  """#

private let bridge =
  setup + #"""
    network blue bridge ',"bridge":"t-br0","isGateway":true,"ipMasq":true,
      "ipam":{"type":"ipam-host-local","ranges":[[{"subnet":"10.7.0.0/24"}]]}'
    for name in c1 c2; do cnictl netns add $name > /run/null; cnictl connect blue $name > /run/null; done

    """#

private let fake =
  setup + #"""
    network blue fake
    for name in c1 c2; do cnictl netns add $name > /run/null; cnictl connect blue $name > /run/null; done

    """#

@Suite struct LiveContainerTests {
  @Test func `a container whose cached result names no namespace is known by its sandbox`() throws {
    let answer = try Sandbox.run(
      bridge + """
        old_libcni; grep -c netns\\\" /var/lib/cni/results/* || true
        cnictl gc; cnictl network rm blue || true
        reach c1 10.7.0.1; reach c1 10.7.0.3; cnictl check; ls /run/net.d
        ip netns del c2; cnictl gc | cut -d: -f1; ls /var/lib/cni/results; reach c1 10.7.0.1
        cnictl netns ls | tail -n 1; cnictl disconnect blue c1
        """)
    #expect(answer.status == 0)
    #expect(
      answer.errors == """
        Error: network blue is in use by container c1 as eth0 in /run/netns/c1, container c2 as eth0 in /run/netns/c2: \
        disconnect first; cnictl gc blue removes those whose namespace is gone (code 7)

        """)
    #expect(
      answer.output == """
        /var/lib/cni/results/blue-c1-eth0:0
        /var/lib/cni/results/blue-c2-eth0:0
        c1 reaches 10.7.0.1
        c1 reaches 10.7.0.3
        c1 blue eth0: ok
        c2 blue eth0: ok
        blue.conflist
        c2 blue eth0
        blue-c1-eth0
        c1 reaches 10.7.0.1
        c1                  blue:eth0
        disconnected c1 from blue: eth0 is gone

        """)
  }

  @Test func `a container of which no namespace is known is not gone`() throws {
    let output = try Sandbox.output(
      fake + """
        forget; ip netns del c1; cnictl gc; rm /run/net.d/*; cnictl gc; ls /var/lib/cni/results
        grep -c DEL /run/calls || true
        cnictl check; cnictl check --json
        """)
    #expect(
      output == """
        blue-c1-eth0
        blue-c2-eth0
        0
        c1 blue eth0: not checked: its namespace is not known
        c2 blue eth0: not checked: its namespace is not known
        {
          "checked": 0,
          "notChecked": [
            {
              "container": "c1",
              "interface": "eth0",
              "netns": "",
              "network": "blue",
              "why": "not checked: its namespace is not known"
            },
            {
              "container": "c2",
              "interface": "eth0",
              "netns": "",
              "network": "blue",
              "why": "not checked: its namespace is not known"
            }
          ]
        }

        """)
  }

  @Test func `rules of a container whose cached result names no namespace are put back`() throws {
    let output = try Sandbox.output(
      bridge + """
        old_libcni; nft flush ruleset; cnictl repair | sort
        forget; nft flush ruleset; cnictl repair blue | sort
        ip netns del c2; cnictl repair
        """)
    let both = "c1 blue eth0: repaired\nc2 blue eth0: repaired\n"
    #expect(output == both + both)
  }

  @Test func `check says which container is gone and what was not asked`() throws {
    let gone = try Sandbox.run(fake + "ip netns del c2; cnictl check; cnictl repair")
    #expect(gone.status == 1)
    #expect(gone.output == "c1 blue eth0: ok\nc2 blue eth0: gone: cnictl gc\n")
    #expect(
      gone.errors
        == "Error: c2 blue eth0: namespace /run/netns/c2 is gone: cnictl gc removes what it left (code 101)\n")
    #expect(try Sandbox.output(fake + "ip netns del c2; cnictl repair") == "c2 blue eth0: gone: cnictl gc\n")
    let without = try Sandbox.output(
      fake + #"""
        sed -i 's/"code":11,"msg":"not now"/"code":4,"msg":"unknown CNI_COMMAND: CHECK"/' /run/plugins/fake
        echo CHECK > /run/refuse
        cnictl check
        """#)
    #expect(
      without == """
        c1 blue eth0: not checked: plugin fake has no CHECK
        c2 blue eth0: not checked: plugin fake has no CHECK

        """)
    let old = try Sandbox.output(
      #"""
      echo '{"cniVersion":"0.3.1","name":"old","type":"bridge","bridge":"t-br0"}' > /run/net.d/old.conf
      echo '{"cniVersion":"1.0.0","disableCheck":true,"name":"off","type":"bridge","bridge":"t-br1"}' > /run/net.d/off.conf
      cnictl netns add c1 > /run/null; for net in old off; do cnictl connect $net c1 > /run/null; done; cnictl check
      """#)
    #expect(
      old == """
        c1 off eth1: not checked: network off: CHECK is disabled by its key "disableCheck"
        c1 old eth0: not checked: network old: version 0.3.1 has no CHECK: want 0.4.0 or later

        """)
  }
}
