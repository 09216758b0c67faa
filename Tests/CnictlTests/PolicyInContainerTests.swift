import Testing

/// Policies of `macvlan`, whose rules are in the containers' network namespaces.
@Suite struct PolicyInContainerTests {
  private static let world = PolicyWorld.script + PolicyWorld.lan

  /// Only `outside` reaches the containers, on port 80; they open no connections.
  private static let policy = #"',"policy":{"ingress":[{"from":{"cidr":"10.8.0.1/32"},"ports":["80/tcp"]}]}'"#

  /// The same as a document; the port is the argument.
  private static let document = #"""
    web() { document lan 'policyTypes: [Ingress, Egress]' "ingress: [{from: [{ipBlock: {cidr: 10.8.0.1/32}}], ports: [{port: $1}]}]"; }

    """#

  @Test func `repair restores the policy in the container's namespace after a flush`() throws {
    let output = try Sandbox.output(
      Self.world + #"""
        lan \#(Self.policy); start lan a; start lan b
        cnictl netns add gone > /run/null; cnictl connect lan gone > /run/null; ip netns delete gone
        tcp outside 10.8.0.2 80; tcp outside 10.8.0.2 514; before=$(rules a)
        ip netns exec a nft flush ruleset; tcp outside 10.8.0.2 514 5
        cnictl repair other; cnictl repair; tcp outside 10.8.0.2 80; tcp outside 10.8.0.2 514
        [ "$before" = "$(rules a)" ] && echo same; cnictl repair lan
        ip netns exec a nft flush map inet swift_cni own_limits_out; cnictl repair --json | tr -d ' \n'; echo
        [ "$before" = "$(rules a)" ] && echo same; cnictl check lan 2> /run/null | grep ok
        """#)
    #expect(
      output == """
        outside to 10.8.0.2 80: passes
        outside to 10.8.0.2 514: denied
        outside to 10.8.0.2 514: passes
        gone lan eth0: gone: cnictl gc
        a lan eth0: repaired
        outside to 10.8.0.2 80: passes
        outside to 10.8.0.2 514: denied
        same
        gone lan eth0: gone: cnictl gc
        {"repaired":[{"containerID":"a","ifname":"eth0","network":"lan"}]}
        same
        a lan eth0: ok
        b lan eth0: ok

        """)
  }

  /// Another process may have the namespace to which the path leads.
  @Test func `repair adds no rules where the attachment's link is missing, and reports an unknown namespace`() throws {
    let answer = try Sandbox.run(
      Self.world + #"""
        lan \#(Self.policy); start lan a; start lan b
        ip -n a link delete eth0; ip netns exec a nft flush ruleset; ip netns exec b nft flush ruleset
        results=/var/lib/cni/results; sed -i 's|"/run/netns/b"|""|g' $results/lan-b-eth0
        cnictl repair || echo $?; rules a; rules b
        """#)
    #expect(answer.output == "1\n", "\(answer.output)")
    #expect(
      answer.errors == """
        Error: b lan eth0: policy not repaired: namespace "": want its path in the cached result (code 8)

        """)
  }

  @Test func `ls, show and check know the policies in containers`() throws {
    let output = try Sandbox.output(
      Self.world + #"""
        lan \#(Self.policy); start lan a; start lan b; tcp outside 10.8.0.2 514
        cnictl policy ls | awk '{ print $1, $2, $4, $6, $7, $8 ~ /^[1-9]/ }' | tail -n +3
        ip -n a link delete eth0; ip netns delete b; cnictl policy ls | awk '{ print $2, $8 }' | tail -n +3
        cnictl policy show a
        for to in "10.8.0.1 a 80" "10.8.0.1 a 514" "b a 80" "a 10.8.0.1 80"; do
          cnictl policy check ${to%% *} ${to#* }/tcp | tail -n +3 || true
        done
        """#)
    #expect(
      output == """
        outside to 10.8.0.2 514: denied
        lan a 10.8.0.2 1 0 1
        lan b 10.8.0.3 1 0 0
        a 1
        b -
        a (network lan, eth0)
          ingress from cidr 10.8.0.1/32 ports 80/tcp
          egress: nothing
          egress of 10.8.0.1: not limited: no container on this host
          ingress of a (network lan, eth0, 10.8.0.2): ingress from cidr 10.8.0.1/32 ports 80/tcp
          egress of 10.8.0.1: not limited: no container on this host
          ingress of a (network lan, eth0, 10.8.0.2): no entry allows it
          egress of b (network lan, eth0, 10.8.0.3): no entry allows it
          ingress of a (network lan, eth0, 10.8.0.2): no entry allows it
          egress of a (network lan, eth0, 10.8.0.2): no entry allows it
          ingress of 10.8.0.1: not limited: no container on this host

        """)
  }

  @Test func `a policy is applied to attached containers of macvlan, and to later ones`() throws {
    let output = try Sandbox.output(
      Self.world + Self.document + #"""
        lan; start lan a; start lan b; tcp outside 10.8.0.2 514; rules a
        web 80 | cnictl policy apply -
        for c in 2 3; do tcp outside 10.8.0.$c 80; tcp outside 10.8.0.$c 514; done
        tcp a 10.8.0.3 80; cnictl check; start lan c; tcp outside 10.8.0.4 514
        """#)
    #expect(
      output == """
        outside to 10.8.0.2 514: passes
        network lan: policy written to /run/net.d/lan.conflist
        a lan eth0: policy changed
        b lan eth0: policy changed
        outside to 10.8.0.2 80: passes
        outside to 10.8.0.2 514: denied
        outside to 10.8.0.3 80: passes
        outside to 10.8.0.3 514: denied
        a to 10.8.0.3 80: denied
        a lan eth0: ok
        b lan eth0: ok
        outside to 10.8.0.4 514: denied

        """)
  }

  @Test func `the policy of attached containers of macvlan is replaced and removed`() throws {
    let output = try Sandbox.output(
      Self.world + Self.document + #"""
        lan \#(Self.policy); start lan a; start lan b
        state() { find /run/net.d /var/lib/cni/results -type f | xargs ls -li --full-time; ip netns exec a nft -a list ruleset; }
        web 80 | cnictl policy apply -
        before=$(state); web 80 | cnictl policy apply -; [ "$before" = "$(state)" ] && echo same
        web 514 | sed 's/, Egress//' | cnictl policy apply -
        tcp outside 10.8.0.2 80; tcp outside 10.8.0.2 514; rules a | grep -c jump; cnictl check
        cnictl policy rm lan; tcp outside 10.8.0.2 80; tcp a 10.8.0.3 80; rules a; cnictl check
        jq -c .plugins[0].policy /run/net.d/lan.conflist
        """#)
    #expect(
      output == """
        network lan: unchanged
        network lan: unchanged
        same
        network lan: policy written to /run/net.d/lan.conflist
        a lan eth0: policy changed
        b lan eth0: policy changed
        outside to 10.8.0.2 80: denied
        outside to 10.8.0.2 514: passes
        3
        a lan eth0: ok
        b lan eth0: ok
        network lan: policy removed from /run/net.d/lan.conflist
        a lan eth0: policy removed
        b lan eth0: policy removed
        outside to 10.8.0.2 80: passes
        a to 10.8.0.3 80: passes
        a lan eth0: ok
        b lan eth0: ok
        null

        """)
  }

  @Test func `the network's log holds for containers that had another one`() throws {
    let output = try Sandbox.output(
      Self.world + Self.document + #"""
        lan ',"policy":{"log":true,"logGroup":3}'; start lan a; lan ',"policy":{"log":true,"logGroup":7}'; start lan b
        web 80 | cnictl policy apply -; rules a | grep -c 'group 7'; cnictl check
        lan ',"policy":{}'; web 80 | cnictl policy apply -; rules a | grep -c group || true; cnictl check
        """#)
    #expect(
      output == """
        network lan: policy written to /run/net.d/lan.conflist
        a lan eth0: policy changed
        b lan eth0: policy changed
        2
        a lan eth0: ok
        b lan eth0: ok
        network lan: policy written to /run/net.d/lan.conflist
        a lan eth0: policy changed
        b lan eth0: policy changed
        0
        a lan eth0: ok
        b lan eth0: ok

        """)
  }

  /// `b` cannot get the rules, because a map of that name has another type there.
  @Test func `if one container cannot get the policy, no container and no file is changed`() throws {
    let answer = try Sandbox.run(
      Self.world + PolicyWorld.plain + Self.document + #"""
        lan \#(Self.policy); start lan a; start lan b; start lan c
        ip netns exec b nft flush ruleset
        ip netns exec b nft 'add table inet swift_cni; add map inet swift_cni own_limits_in { type ipv4_addr : verdict; }; add element inet swift_cni own_limits_in { 10.0.0.1 : accept }'
        state() {
          md5sum /run/net.d/* /var/lib/cni/results/*; find /run/swift-cni -type f | grep -v lock | sort
          (for c in a b c; do rules $c; done; nft list ruleset) | sort
        }
        before=$(state); status=0
        (document mgmt 'ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: front}}}]}]'; web 514) \
          | cnictl policy apply - || status=$?
        diff <(echo "$before") <(state) && echo same $status; tcp outside 10.8.0.2 80; tcp outside 10.8.0.2 514
        """#)
    #expect(
      answer.output == """
        same 1
        outside to 10.8.0.2 80: passes
        outside to 10.8.0.2 514: denied

        """, "\(answer.output)\(answer.errors)")
    #expect(answer.errors.contains("b lan eth0: policy not changed: "), "\(answer.errors)")
  }

  @Test func `what the rules in a container cannot express is refused, and nothing is changed`() throws {
    let answer = try Sandbox.run(
      Self.world + #"""
        lan \#(Self.policy); start lan a; before=$(rules a; cat /run/net.d/lan.conflist)
        refuse() { document lan "ingress: [{from: [$1]}]" | cnictl policy apply - && exit 9; return 0; }
        refuse '{podSelector: {}}'; refuse '{podSelector: {matchLabels: {tier: web}}}'
        ip -n a link delete eth0; refuse '{ipBlock: {cidr: 10.8.0.1/32}}'
        [ "$before" = "$(rules a; cat /run/net.d/lan.conflist)" ] && echo same
        """#)
    #expect(answer.output == "same\n", "\(answer.output)")
    for message in [
      "network lan: the rules are in each container's network namespace, which knows only addresses: want ipBlock",
      #"label "tier=web": the rules are in the container's network namespace"#,
      "a lan eth0: policy not changed: want eth0, a link of kind macvlan, in its network namespace",
    ] {
      #expect(answer.errors.contains(message), "\(answer.errors)")
    }
  }
}
