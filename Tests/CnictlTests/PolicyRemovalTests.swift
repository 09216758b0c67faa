import Testing

/// `cnictl policy rm` of networks whose packets pass the host.
@Suite struct PolicyRemovalTests {
  private static let world = PolicyWorld.script

  /// `firewall` gets the key before the containers are attached, or nothing has it then.
  @Test(arguments: [(",\"ipspoofchk\":true", ":"), ("", ":"), ("", "open")])
  func `rm removes the policy of attached containers and leaves nothing of it`(keys: String, before: String) throws {
    let output = try Sandbox.output(
      Self.world + PolicyWorld.limits + #"""
        open() { sed -i 's/{"type":"firewall"}/{"type":"firewall","policy":{"default":"allow"}}/' /run/net.d/mgmt.conflist; }
        list front front 10.7.1.0 '' ''; list mgmt mgmt 10.7.2.0 '\#(keys)' ',{"type":"firewall"}'
        state() { nft list ruleset | grep -v comment; find /run/swift-cni -type f | grep -v lock | sort; jq -S . /run/net.d/mgmt.conflist; }
        \#(PolicyWorld.starts) before=$(state)
        \#(before); cnictl policy apply /run/limits.yaml &> /run/null; tcp web $(mgmt 2) 80
        cnictl policy rm --dry-run mgmt; tcp web $(mgmt 3) 80
        cnictl policy rm mgmt; tcp web $(mgmt 2) 80; tcp db $(front 2) 514; cnictl check
        diff <(echo "$before") <(state) && echo same
        """#)
    #expect(
      output == """
        web to 10.7.2.2 80: denied
        network mgmt: policy would be removed from /run/net.d/mgmt.conflist
        db mgmt eth0: policy would be removed
        db2 mgmt eth0: policy would be removed
        web to 10.7.2.3 80: denied
        network mgmt: policy removed from /run/net.d/mgmt.conflist
        db mgmt eth0: policy removed
        db2 mgmt eth0: policy removed
        web to 10.7.2.2 80: passes
        db to 10.7.1.2 514: passes
        web front eth0: ok
        web2 front eth0: ok
        db mgmt eth0: ok
        db2 mgmt eth0: ok
        same

        """)
  }

  @Test func `an established connection stays when the policy is removed, and later containers have none`() throws {
    let output = try Sandbox.output(
      Self.world + PolicyWorld.plain + PolicyWorld.limits + #"""
        cat > /run/server.py <<'END'
        from socket import create_server
        listener = create_server(("", 514), reuse_port=False)
        open("/run/listens", "w")
        connection = listener.accept()[0]
        connection.sendall(connection.recv(5))
        END
        cat > /run/client.py <<'END'
        from os.path import exists
        from socket import create_connection
        from time import sleep
        connection = create_connection(("10.7.2.4", 514), timeout=30)
        open("/run/connected", "w")
        while not exists("/run/removed"): sleep(0.05)
        connection.sendall(b"hello"); print(connection.recv(5).decode())
        END
        cnictl policy apply /run/limits.yaml &> /run/null
        cnictl netns add late > /run/null; cnictl connect mgmt late > /run/null
        ip netns exec late python3 /run/server.py & server=$!; until [ -e /run/listens ]; do sleep 0.05; done
        ip netns exec web python3 /run/client.py & client=$!; until [ -e /run/connected ]; do sleep 0.05; done
        cnictl policy rm mgmt > /run/null; : > /run/removed; wait $client; wait $server
        start mgmt db3; tcp web $(mgmt 5) 80
        """#)
    #expect(output == "hello\nweb to 10.7.2.5 80: passes\n")
  }

  @Test func `labels go with the policy, and the other network's policy does not count them any more`() throws {
    let output = try Sandbox.output(
      Self.world + #"""
        list front front 10.7.1.0 ',"policy":{"default":"allow"}' ''; list mgmt mgmt 10.7.2.0 '' ''
        start front web --label tier=web; start mgmt db
        document mgmt 'ingress: [{from: [{podSelector: {matchLabels: {tier: web}}}]}]' | cnictl policy apply - 2> /run/null > /run/null
        tcp web $(mgmt 2) 80; cnictl policy rm front; tcp web $(mgmt 2) 80; cnictl check
        """#)
    #expect(
      output == """
        web to 10.7.2.2 80: passes
        network front: policy removed from /run/net.d/front.conflist
        web front eth0: policy removed
        web to 10.7.2.2 80: denied
        web front eth0: ok
        db mgmt eth0: ok

        """)
  }

  @Test func `rm refuses a network without a policy, and one whose containers only the policy connects`() throws {
    let answer = try Sandbox.run(
      Self.world + PolicyWorld.plain + #"""
        apart() { list apart apart 10.7.3.0 ',"isolation":"container"'$1 ''; }
        apart ',"policy":{"ingress":[{"from":{"network":"apart"}}],"egress":[{"to":{"network":"apart"}}]}'
        start apart one; network quiet none; before=$(nft list ruleset; cat /run/net.d/*)
        cnictl policy rm mgmt || echo $?; cnictl policy rm quiet || echo $?; cnictl policy rm apart || echo $?
        cnictl policy rm nothing || echo $?; cnictl policy rm --dry-run mgmt --json | tr -d '\n'; echo
        [ "$before" = "$(nft list ruleset; cat /run/net.d/*)" ] && echo same
        cnictl disconnect apart one > /run/null; cnictl policy rm apart; cnictl policy rm apart || echo $?
        # The key alone was removed.
        document mgmt 'ingress: []' | cnictl policy apply - &> /run/null; list mgmt mgmt 10.7.2.0 '' ''; cnictl policy rm mgmt
        """#)
    #expect(
      answer.output == """
        1
        1
        1
        1
        {  "code": 7,  "msg": "network mgmt: no policy",  "details": ""}
        same
        network apart: policy removed from /run/net.d/apart.conflist
        1
        db mgmt eth0: policy removed
        db2 mgmt eth0: policy removed

        """)
    for message in [
      "Error: network mgmt: no policy (code 7)", #"network quiet: none of its plugins takes the key "policy""#,
      "network apart: the policy changes how its containers are kept apart: want none attached on this host (code 7)",
      #"no network "nothing""#, "Error: network apart: no policy (code 7)",
    ] {
      #expect(answer.errors.contains(message), "\(answer.errors)")
    }
  }
}
