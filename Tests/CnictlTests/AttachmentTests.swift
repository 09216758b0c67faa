import Testing

// Group: end-to-end

private let setup = """
  network blue fake ',"capabilities":{"portMappings":true,"aliases":true}'
  cnictl netns add c1 > /run/null; cnictl netns add c2 > /run/null

  """

@Suite struct AttachmentTests {
  @Test func `connect and disconnect print what they did`() throws {
    let output = try Sandbox.output(
      setup + """
        cnictl connect blue c1; cnictl connect blue c2 --container web --ifname net7
        cnictl connect blue --pid $$ --container shell
        cnictl netns ls
        cnictl disconnect blue c1; cnictl disconnect blue --container web; cnictl disconnect blue --pid $$
        cnictl netns ls --json; ls /var/lib/cni/results
        """)
    #expect(
      output == """
        connected c1 to blue as eth0: 172.17.0.3/16 mac 02:42:ac:11:00:03
        connected web to blue as net7: 172.17.0.3/16 mac 02:42:ac:11:00:03
        connected shell to blue as eth0: 172.17.0.3/16 mac 02:42:ac:11:00:03
        NAME                NETWORKS
        c1                  blue:eth0
        c2                  blue:net7
        disconnected c1 from blue: eth0 is gone
        disconnected web from blue: net7 is gone
        disconnected shell from blue: eth0 is gone
        [
          {
            "name": "c1",
            "networks": []
          },
          {
            "name": "c2",
            "networks": []
          }
        ]

        """)
  }

  @Test func `network rm waits while a container connects and then refuses`() throws {
    let output = try Sandbox.output(
      setup + """
        sed 's#^ADD) #ADD) : > /run/begun; until [ -e /run/go ]; do sleep 0.05; done; #' /run/plugins/fake > /run/plugins/slow
        chmod +x /run/plugins/slow; network blue slow
        cnictl connect blue c1 & connecting=$!
        until [ -e /run/begun ]; do sleep 0.05; done
        (cnictl network rm blue 2>&1 || : ) > /run/said & removing=$!
        for number in {1..40}; do if kill -0 $removing 2> /run/null; then sleep 0.05; fi; done
        : > /run/go; wait $connecting; wait $removing
        grep -o 'in use by container c1' /run/said; ls /run/net.d; cnictl disconnect blue c1
        """)
    #expect(
      output == """
        connected c1 to blue as eth0: 172.17.0.3/16 mac 02:42:ac:11:00:03
        in use by container c1
        blue.conflist
        disconnected c1 from blue: eth0 is gone

        """)
  }

  @Test func `an attachment is found by any path to its namespace`() throws {
    let output = try Sandbox.output(
      setup + """
        ln -s /run/netns /run/alias; cnictl connect blue /run/alias/c1 --container c1 > /run/null; cnictl disconnect blue c1
        """)
    #expect(output == "disconnected c1 from blue: eth0 is gone\n")
  }

  @Test func `check and disconnect of one attachment do not read other cached results`() throws {
    let output = try Sandbox.output(
      setup + """
        network blue bridge ',"bridge":"t-br0"'; cnictl connect blue c1 > /run/null; cnictl connect blue c2 > /run/null
        other=/var/lib/cni/results/blue-c2-eth0; touch -a -d @7 $other; cat $other > /run/null; [ $(stat -c %X $other) != 7 ]
        touch -a -d @7 $other; cnictl check blue c1; cnictl disconnect blue c1; stat -c %X $other
        """)
    #expect(output == "c1 blue eth0: ok\ndisconnected c1 from blue: eth0 is gone\n7\n")
  }

  @Test func `connect options reach the plugin in ADD and DEL`() throws {
    let output = try Sandbox.output(
      setup + """
        cnictl connect blue c1 --ip 172.17.0.9 --mac 02:00:00:00:00:09 --name web --args A=b -p 8080:80 --alias db > /run/null
        cnictl disconnect blue c1 > /run/null
        grep -v VERSION /run/calls
        """)
    let arguments = "IgnoreUnknown=1;K8S_POD_NAME=web;IP=172.17.0.9;MAC=02:00:00:00:00:09;A=b"
    #expect(output == "ADD c1 eth0 \(arguments)\nDEL c1 eth0 \(arguments)\n")
  }

  @Test func `connect does not use an interface name that exists`() throws {
    let errorText = try Sandbox.refusal(
      setup + """
        cnictl netns exec c1 ip link add eth0 type bridge
        cnictl connect blue c1 | grep -q 'as eth1'
        cnictl connect blue c1 --container other --ifname eth0
        """)
    #expect(errorText == "Error: /run/netns/c1 has an interface eth0 already: want another --ifname (code 104)\n")
  }

  @Test func `disconnect works if namespace and configuration are gone`() throws {
    let output = try Sandbox.output(
      setup + """
        cnictl connect blue c1 > /run/null; ip netns del c1; rm /run/net.d/*; cnictl disconnect blue c1
        """)
    #expect(output == "disconnected c1 from blue: eth0 is gone\n")
  }

  @Test func `check names the differences and continues`() throws {
    let script = setup + "cnictl connect blue c1 > /run/null; cnictl connect blue c2 > /run/null\n"
    #expect(try Sandbox.output(script + "cnictl check") == "c1 blue eth0: ok\nc2 blue eth0: ok\n")
    let answer = try Sandbox.run(script + "echo CHECK > /run/refuse; cnictl check blue")
    #expect(answer.status == 1)
    #expect(answer.output == "c1 blue eth0: differs\nc2 blue eth0: differs\n")
    let complaint = "network blue: plugin fake CHECK: not now"
    #expect(answer.errors == "Error: \(complaint); \(complaint): ask again; ask again (code 11)\n")
  }

  @Test func `gc removes attachments without a namespace and keeps the rest`() throws {
    let output = try Sandbox.output(
      setup + """
        cnictl connect blue c1 > /run/null; cnictl connect blue c2 > /run/null; ip netns del c1
        cnictl gc --dry-run; cnictl gc; cnictl gc; ls /var/lib/cni/results; grep -c GC /run/calls
        """)
    #expect(output == "c1 blue eth0: stale: cached result\nc1 blue eth0: stale: cached result\nblue-c2-eth0\n2\n")
  }

  @Test func `gc removes stale attachments of networks that are no longer configured`() throws {
    let output = try Sandbox.output(
      setup + """
        cnictl connect blue c1 > /run/null; cnictl connect blue c2 > /run/null; ip netns del c1; rm /run/net.d/*
        cnictl gc --json; ls /var/lib/cni/results; tail -n 1 /run/calls
        """)
    #expect(
      output == """
        {
          "removed": [
            {
              "container": "c1",
              "interface": "eth0",
              "netns": "/run/netns/c1",
              "network": "blue",
              "traces": [
                "cached result"
              ]
            }
          ]
        }
        blue-c2-eth0
        DEL c1 eth0 IgnoreUnknown=1

        """)
  }

  @Test func `shell completion offers networks and namespaces`() throws {
    let output = try Sandbox.output(
      setup + """
        network black none; network red none
        cnictl --generate-completion-script bash > /run/completions; set +eu; source /run/completions
        offer() {
          COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
          "$(complete -p cnictl | sed 's/.* -F \\([^ ]*\\) .*/\\1/')" cnictl "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
          echo "${COMPREPLY[@]}"
        }
        offer cnictl network rm b; offer cnictl netns rm c
        """)
    #expect(output == "black blue\nc1 c2\n")
  }

  @Test func `status shows which networks are ready`() throws {
    let script = "network blue fake; network green none\n"
    let ready = "NAME                STATE\nblue                ready\ngreen               ready\n"
    #expect(try Sandbox.output(script + "cnictl status") == ready)
    let answer = try Sandbox.run(script + "echo STATUS > /run/refuse; cnictl status")
    #expect(answer.status == 1)
    let state = "network blue: plugin fake STATUS: not now: ask again (code 11)"
    #expect(
      answer.output == "NAME                STATE\nblue                \(state)\ngreen               ready\n")
  }

  @Test func `validate reports mistakes by file and exits with status 1`() throws {
    let answer = try Sandbox.run(
      """
      network blue bridge ',"isGatewya":true'; network green none; network red mine
      cnictl validate
      """)
    #expect(answer.status == 1 && answer.errors.isEmpty)
    let lines = answer.output.split(separator: "\n")
    #expect(
      lines.map { $0.prefix(110) } == [
        #"/run/net.d/blue.conflist: error: unknown key "plugins[0].isGatewya": did you mean "isGateway"?"#,
        "/run/net.d/green.conflist: ok",
        #"/run/net.d/red.conflist: note: plugins[0].type "mine": its keys are unknown to cnictl and were not checked"#,
        lines.last.map { $0.prefix(110) } ?? "",
      ])
    #expect(lines.last?.hasPrefix(#"/run/net.d/red.conflist: error: no plugin "mine" in /run/plugins"#) == true)
  }

  @Test func `netns rm detaches first, netns exec returns the program's status`() throws {
    let output = try Sandbox.output(
      setup + """
        cnictl connect blue c1 > /run/null
        cnictl netns exec c1 -- ip -oneline link show | cut -d: -f2
        cnictl netns exec c1 sh -c 'exit 7' || echo $?
        cnictl netns rm c1; tail -n 1 /run/calls | cut -d' ' -f1,2; ls /run/netns /var/lib/cni/results
        """)
    #expect(output == " lo\n7\nc1\nDEL c1\n/run/netns:\nc2\n\n/var/lib/cni/results:\n")
  }

  @Test func `namespaces that are added at the same time all exist`() throws {
    let output = try Sandbox.output(
      """
      for number in {1..8}; do cnictl netns add n$number > /run/null & done; wait
      for number in {1..8}; do cnictl netns exec n$number ip -oneline link show lo | wc -l; done
      """)
    #expect(output == String(repeating: "1\n", count: 8))
  }
}
