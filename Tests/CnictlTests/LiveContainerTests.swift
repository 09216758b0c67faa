import Testing

/// Functions that change cached results to older formats, wait until the kernel has removed links, and test pings.
private let setup = #"""
  old_libcni() { sed -i 's#"netns":"[^"]*",##' /var/lib/cni/results/*; }
  forget() { old_libcni; sed -i 's#,"sandbox":"[^"]*"##' /var/lib/cni/results/*; }
  ends() { ip netns del $1; for _ in {1..100}; do [ "$(ip link show type veth | wc -l)" = $2 ] || sleep 0.1; done; }
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
  @Test func `a container whose cached result has no namespace is found by its sandbox`() throws {
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

  @Test func `a container with an unknown namespace does not count as gone`() throws {
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

  @Test func `repair restores rules of a container whose cached result has no namespace`() throws {
    let output = try Sandbox.output(
      bridge + """
        old_libcni; nft flush ruleset; cnictl repair | sort
        forget; nft flush ruleset; cnictl repair blue | sort
        ip netns del c2; cnictl repair
        """)
    #expect(output == String(repeating: "c1 blue eth0: repaired\nc2 blue eth0: repaired\n", count: 2))
  }

  @Test func `check reports which container is gone and what was not checked`() throws {
    let gone = try Sandbox.run(fake + "ip netns del c2; cnictl check; cnictl repair")
    #expect(gone.status == 1)
    #expect(gone.output == "c1 blue eth0: ok\nc2 blue eth0: gone: cnictl gc\n")
    #expect(
      gone.errors
        == "Error: c2 blue eth0: namespace /run/netns/c2 is gone: cnictl gc removes its remains (code 101)\n")
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

  @Test func `gc keeps link, lease and rules of a live container from another cache directory`() throws {
    let answer = try Sandbox.run(
      bridge + """
        mv /var/lib/cni/results /run/other
        cnictl gc --dry-run; cnictl gc; cnictl network rm blue || true
        reach c1 10.7.0.1; reach c1 10.7.0.3; ls /var/lib/cni/networks/blue | grep -c 10.7; nft list ruleset | grep -c 10.7.0.2
        ends c2 2; cnictl gc --dry-run > /run/dry; cnictl gc > /run/wet; cmp /run/dry /run/wet; cat /run/wet
        reach c1 10.7.0.1; ls /var/lib/cni/networks/blue | grep 10.7; nft list ruleset | grep -c 10.7.0.3 || true
        """)
    #expect(answer.status == 0)
    let users = answer.errors.split(separator: "\n").map { $0.replacing(/link veth\w*/, with: "link veth") }
    #expect(
      users == [
        """
        Error: network blue is in use by \
        container c1 as eth0 (link veth, address 10.7.0.2, rules of network), \
        container c2 as eth0 (link veth, address 10.7.0.3, rules of network): \
        disconnect first; cnictl gc blue removes those whose namespace is gone (code 7)
        """
      ])
    #expect(
      answer.output == """
        c1 reaches 10.7.0.1
        c1 reaches 10.7.0.3
        2
        1
        c2 blue eth0: stale: address 10.7.0.3, rules of network
        c1 reaches 10.7.0.1
        10.7.0.2
        0

        """)
  }

  @Test(arguments: ["macvlan", "ptp"])
  func `gc keeps a live container of macvlan or ptp from another cache directory`(type: String) throws {
    let output = try Sandbox.output(
      setup + """
        ip link add eth0 type veth peer name lan; ip link set eth0 up; ip link set lan up
        network blue \(type) ',"ipam":{"type":"ipam-host-local","ranges":[[{"subnet":"10.7.0.0/24"}]]}'
        [ \(type) = ptp ] || sed -i 's/"ipam"/"master":"eth0","ipam"/' /run/net.d/blue.conflist
        cnictl netns add c1 > /run/null; cnictl connect blue c1 > /run/null; mv /var/lib/cni/results /run/other
        cnictl gc; cnictl network rm blue 2>&1 | grep -c 'in use by container c1' || true
        cnictl netns exec c1 ip -oneline -4 address show eth0 | awk '{ print $4 }'
        ls /var/lib/cni/networks/blue | grep 10.7
        """)
    #expect(output == "1\n10.7.0.2/24\n10.7.0.2\n")
  }

  @Test func `gc keeps a lease of the reference plugin while a namespace has the address or an ADD runs`() throws {
    let output = try Sandbox.output(
      setup + #"""
        network blue bridge ',"bridge":"t-br0","ipam":{"type":"host-local","ranges":[[{"subnet":"10.7.0.0/24"}]]}'
        ln -s "$(command -v ipam-host-local)" /run/plugins/host-local
        mkdir -p /var/lib/cni/networks/blue
        for number in 7 8 9; do printf 'c%s\r\neth0' $number > /var/lib/cni/networks/blue/10.7.0.$number; done
        printf c6 > /var/lib/cni/networks/blue/10.7.0.6; : > /var/lib/cni/networks/blue/10.7.0.5
        for number in 6 9; do
          ip netns add t-c$number; ip -n t-c$number link add eth0 type bridge
          ip -n t-c$number address add 10.7.0.$number/24 dev eth0
        done
        CNI_COMMAND=ADD CNI_CONTAINERID=c8 CNI_IFNAME=eth0 sleep 100 & adding=$!
        cnictl gc --dry-run; cnictl gc > /run/null; ls -x /var/lib/cni/networks/blue
        kill $adding; wait $adding || true; ip netns del t-c9; cnictl gc; ls -x /var/lib/cni/networks/blue
        """#)
    #expect(
      output == """
        c7 blue eth0: stale: address 10.7.0.7
        blue: stale: address 10.7.0.5, whose lease file has no container ID
        10.7.0.6  10.7.0.8  10.7.0.9  lock
        c8 blue eth0: stale: address 10.7.0.8
        c9 blue eth0: stale: address 10.7.0.9
        10.7.0.6  lock

        """)
  }

  @Test func `ADD waits while gc removes stale attachments`() throws {
    let output = try Sandbox.output(
      setup + #"""
        network blue bridge ',"bridge":"t-br0"'
        cnictl netns add c1 > /run/null; mkdir -p /run/swift-cni
        exec 9> /run/swift-cni/attach.lock; flock 9
        cnictl connect blue c1 > /run/said & connecting=$!
        until pgrep -x bridge > /run/null; do sleep 0.05; done
        ip -oneline link show type veth | wc -l; cat /run/said
        flock -u 9; wait $connecting; cut -d: -f1 /run/said
        """#)
    #expect(output == "0\nconnected c1 to blue as eth0\n")
  }

  @Test func `gc keeps a live container whose namespace has a new path`() throws {
    let output = try Sandbox.output(
      bridge + """
        : > /run/netns/moved; mount --bind /run/netns/c1 /run/netns/moved; umount /run/netns/c1; rm /run/netns/c1
        cnictl gc; cnictl check; nft flush ruleset; cnictl repair | sort; reach moved 10.7.0.1
        """)
    #expect(
      output == """
        c1 blue eth0: not checked: /run/netns/c1 is no namespace any more, but the container is live
        c2 blue eth0: ok
        c1 blue eth0: repaired
        c2 blue eth0: repaired
        moved reaches 10.7.0.1

        """)
  }
}
