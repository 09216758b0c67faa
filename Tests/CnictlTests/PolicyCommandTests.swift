import Testing

private let (world, lists, starts) = (PolicyWorld.script, PolicyWorld.lists, PolicyWorld.starts)
private let (plain, limits) = (PolicyWorld.plain, PolicyWorld.limits)

@Suite struct PolicyCommandTests {
  private static let warning =
    "cnictl: network mgmt: its containers reach each other on the bridge, whatever the policy says\n"

  /// `firewall` gets the key before the containers are attached, or after.
  @Test(arguments: [("bridge", ":", ":"), ("firewall", "open", ":"), ("firewall", ":", "open")])
  func `a policy is applied to running containers, and the second time nothing changes`(
    holder: String, before: String, after: String
  ) throws {
    let answer = try Sandbox.run(
      world + lists + limits + #"""
        open() { sed -i 's/{"type":"firewall"}/{"type":"firewall","policy":{"default":"allow"}}/' /run/net.d/mgmt.conflist; }
        \#(before); \#(starts) \#(after); chmod 640 /run/net.d/mgmt.conflist
        state() { find /run/net.d /run/swift-cni/filter /var/lib/cni/results -type f | xargs ls -li --full-time; nft -a list ruleset; }
        tcp web $(mgmt 2) 514; tcp web $(mgmt 2) 80
        cnictl policy apply /run/limits.yaml
        tcp web $(mgmt 2) 514; tcp web $(mgmt 2) 80; tcp web $(mgmt 3) 80; tcp db $(front 2) 80; tcp db $(front 2) 514
        tcp db $(mgmt 3) 80; cnictl check
        before=$(state); cnictl policy apply /run/limits.yaml; [ "$before" = "$(state)" ] && echo same
        grep -c '"\#(holder)",' /run/net.d/mgmt.conflist; stat -c %a /run/net.d/mgmt.conflist
        """#)
    #expect(answer.status == 0 && answer.errors == Self.warning + Self.warning, "\(answer.errors)")
    #expect(
      answer.output == """
        web to 10.7.2.2 514: passes
        web to 10.7.2.2 80: passes
        network mgmt: policy written to /run/net.d/mgmt.conflist
        db mgmt eth0: policy changed
        db2 mgmt eth0: policy changed
        web to 10.7.2.2 514: passes
        web to 10.7.2.2 80: denied
        web to 10.7.2.3 80: denied
        db to 10.7.1.2 80: passes
        db to 10.7.1.2 514: denied
        db to 10.7.2.3 80: passes
        web front eth0: ok
        web2 front eth0: ok
        db mgmt eth0: ok
        db2 mgmt eth0: ok
        network mgmt: unchanged
        same
        1
        640

        """)
  }

  @Test func `another policy replaces the applied one, also of later containers, and the last DEL leaves nothing`()
    throws
  {
    let output = try Sandbox.output(
      world + plain + limits + #"""
        cnictl policy apply /run/limits.yaml &> /run/null; ls /run/swift-cni/peers
        cnictl disconnect mgmt db > /run/null; start mgmt db3; tcp web $(mgmt 4) 80
        document mgmt 'ingress: [{}]' | cnictl policy apply -
        tcp web $(mgmt 3) 80 5; tcp web $(mgmt 4) 80 5; find /run/swift-cni -name peers
        cnictl check mgmt
        for c in db2 db3; do cnictl disconnect mgmt $c > /run/null; done
        for c in web web2; do cnictl disconnect front $c > /run/null; done
        nft list ruleset; find /run/swift-cni/filter -type f
        """#)
    #expect(
      output == """
        front
        web to 10.7.2.4 80: denied
        network mgmt: policy written to /run/net.d/mgmt.conflist
        db2 mgmt eth0: policy changed
        db3 mgmt eth0: policy changed
        web to 10.7.2.3 80: passes
        web to 10.7.2.4 80: passes
        db2 mgmt eth0: ok
        db3 mgmt eth0: ok

        """)
  }

  @Test func `a container of ptp gets a policy for its own link`() throws {
    let output = try Sandbox.output(
      world + #"""
        list front front 10.7.1.0 '' ''; list mgmt mgmt 10.7.2.0 '' ',{"type":"firewall"}'
        sed -i 's/"bridge"/"ptp"/; s/"bridge":"t-mgmt","isDefaultGateway":true,//' /run/net.d/mgmt.conflist
        sed -i 's/"subnet":"10.7.2.0.24"}\]\]/&,"routes":[{"dst":"0.0.0.0\/0"}]/' /run/net.d/mgmt.conflist
        start front web; start mgmt db; tcp web $(mgmt 2) 80; tcp db $(front 2) 80
        document mgmt 'policyTypes: [Ingress, Egress]' 'egress: [{ports: [{port: 514}]}]' | cnictl policy apply -
        tcp web $(mgmt 2) 80; tcp db $(front 2) 80; tcp db $(front 2) 514
        nft list map inet swift_cni limited_links | grep -c 'cni:mgmt/db/eth0'; cnictl check
        """#)
    #expect(
      output == """
        web to 10.7.2.2 80: passes
        db to 10.7.1.2 80: passes
        network mgmt: policy written to /run/net.d/mgmt.conflist
        db mgmt eth0: policy changed
        web to 10.7.2.2 80: denied
        db to 10.7.1.2 80: denied
        db to 10.7.1.2 514: passes
        1
        web front eth0: ok
        db mgmt eth0: ok

        """)
  }

  @Test func `ls lists networks with a policy and what it has denied`() throws {
    let output = try Sandbox.output(
      world + plain + limits + #"""
        cnictl policy ls | tr -s ' '; cnictl policy apply /run/limits.yaml &> /run/null
        tcp web $(mgmt 2) 80 > /run/null; cnictl policy ls | tr -s ' ' | sed 's/ [1-9][0-9]*$/ some/'
        cnictl policy ls --json | tr -d ' \n' | grep -o '"denied":{"egress":0,"ingress":[1-9][0-9]*}' | sort -u | wc -l
        """#)
    #expect(
      output == """
        NETWORK CONTAINER INTERFACE ADDRESSES LABELS INGRESS EGRESS DENIED
        NETWORK CONTAINER INTERFACE ADDRESSES LABELS INGRESS EGRESS DENIED
        mgmt - - - - 2 1 -
        mgmt db eth0 10.7.2.2 - 2 1 some
        mgmt db2 eth0 10.7.2.3 - 2 1 some
        1

        """)
  }

  @Test func `an established connection stays when a policy is applied`() throws {
    let output = try Sandbox.output(
      world + plain + #"""
        cat > /run/server.py <<'END'
        from socket import create_server
        connection = create_server(("", 4000)).accept()[0]
        connection.sendall(connection.recv(5))
        END
        cat > /run/client.py <<'END'
        from os.path import exists
        from socket import create_connection
        from time import sleep
        for attempt in range(100):
          try: connection = create_connection(("10.7.2.2", 4000), timeout=30); break
          except ConnectionRefusedError: sleep(0.1)
        open("/run/connected", "w")
        while not exists("/run/applied"): sleep(0.05)
        connection.sendall(b"hello"); print(connection.recv(5).decode())
        END
        ip netns exec db python3 /run/server.py & servers="$servers $!"
        ip netns exec web python3 /run/client.py & client=$!
        until [ -e /run/connected ]; do sleep 0.05; done
        document mgmt 'ingress: []' 'egress: [{}]' | cnictl policy apply - 2> /run/null; tcp web $(mgmt 2) 514; : > /run/applied; wait $client
        servers=${servers% *}
        """#)
    #expect(
      output == """
        network mgmt: policy written to /run/net.d/mgmt.conflist
        db mgmt eth0: policy changed
        db2 mgmt eth0: policy changed
        web to 10.7.2.2 514: denied
        hello

        """)
  }

  @Test func `labels of connect are those of policies, on ADD, CHECK and after apply`() throws {
    let output = try Sandbox.output(
      world + #"""
        list front front 10.7.1.0 ',"policy":{"default":"allow"}' ''; list mgmt mgmt 10.7.2.0 '' ''
        start front web --label tier=web --label zone=a; start front web2 --label tier=other; start mgmt db
        document mgmt 'ingress: [{from: [{podSelector: {matchLabels: {tier: web}}}]}]' | cnictl policy apply - 2> /run/null
        tcp web $(mgmt 2) 80; tcp web2 $(mgmt 2) 80; cnictl check; cnictl policy show db
        document front 'ingress: [{}]' 'egress: [{}]' | cnictl policy apply -
        tcp web $(mgmt 2) 80; tcp web2 $(mgmt 2) 80; cnictl policy ls | grep web
        cnictl disconnect front web > /run/null; cnictl policy show db | tail -n 3
        """#)
    #expect(
      output == """
        network mgmt: policy written to /run/net.d/mgmt.conflist
        db mgmt eth0: policy changed
        web to 10.7.2.2 80: passes
        web2 to 10.7.2.2 80: denied
        web front eth0: ok
        web2 front eth0: ok
        db mgmt eth0: ok
        db (network mgmt, eth0)
          ingress from label tier=web
            web (network front, eth0, 10.7.1.2) on link t-front
          egress to anyone
        network front: policy written to /run/net.d/front.conflist
        web front eth0: policy changed
        web2 front eth0: policy changed
        web to 10.7.2.2 80: passes
        web2 to 10.7.2.2 80: denied
        front               web                 eth0                10.7.1.2            tier=web,zone=a     1                   1                   0
        front               web2                eth0                10.7.1.3            tier=other          1                   1                   0
          ingress from label tier=web
            none on this host
          egress to anyone

        """)
  }

  @Test func `the answers of check agree with what passes`() throws {
    let output = try Sandbox.output(
      world + plain + limits + #"""
        cnictl policy apply /run/limits.yaml &> /run/null
        for pair in "web db 10.7.2.2" "web2 db2 10.7.2.3" "db web 10.7.1.2" "db2 web2 10.7.1.3" "db db2 10.7.2.3"; do
          set -- $pair
          for port in 80 514; do
            passes=$(tcp $1 $3 $port); answer=$(cnictl policy check $1 $2 $port/tcp | head -n 1 || true)
            by=$(cnictl policy check $1 $3 $port/tcp | head -n 1 || true)
            echo "$1 $2 $port ${passes##* } $answer $by"
          done
        done
        """#)
    #expect(
      output == """
        web db 80 denied no no
        web db 514 passes yes yes
        web2 db2 80 denied no no
        web2 db2 514 passes yes yes
        db web 80 passes yes yes
        db web 514 denied no no
        db2 web2 80 passes yes yes
        db2 web2 514 denied no no
        db db2 80 passes yes yes
        db db2 514 passes yes yes

        """)
  }

  @Test func `check names the entries that decide, and the protocol that is denied`() throws {
    let answer = try Sandbox.run(
      world + plain + limits + """
        cnictl policy apply /run/limits.yaml &> /run/null
        cnictl policy check web db 514/tcp; cnictl policy check front mgmt 514 || echo $?
        """)
    #expect(
      answer.output == """
        yes
        514/tcp: yes
          egress of web (network front, eth0, 10.7.1.2): not limited: no policy
          ingress of db (network mgmt, eth0, 10.7.2.2): ingress from network front ports 514/tcp
        no: udp, sctp
        514/tcp: yes
          egress of web (network front, eth0, 10.7.1.2): not limited: no policy
          ingress of db (network mgmt, eth0, 10.7.2.2): ingress from network front ports 514/tcp
        514/udp: no
          egress of web (network front, eth0, 10.7.1.2): not limited: no policy
          ingress of db (network mgmt, eth0, 10.7.2.2): no entry allows it
        514/sctp: no
          egress of web (network front, eth0, 10.7.1.2): not limited: no policy
          ingress of db (network mgmt, eth0, 10.7.2.2): no entry allows it
        1

        """)
  }

  @Test func `check knows addresses and prints JSON, and unknown names are errors`() throws {
    let answer = try Sandbox.run(
      world + plain + limits + #"""
        cnictl policy apply /run/limits.yaml &> /run/null
        cnictl policy check 10.7.2.1 db 22/tcp | head -n 1; cnictl policy check 192.0.2.7 db 514/tcp | tail -n 1
        cnictl policy check db 192.0.2.7 80/tcp --json > /run/json || { tr -d ' \n' < /run/json; echo; echo 1; }
        cnictl policy check db nothing 80/tcp || echo $?; cnictl policy check db db 80/tcp || echo $?
        cnictl policy check db web 80-81/tcp &> /run/null || echo $?
        """#)
    #expect(
      answer.output == """
        yes
          ingress of db (network mgmt, eth0, 10.7.2.2): ingress from cidr 192.0.2.0/24 ports 514/tcp
        {"allowed":false,"protocols":[{"allowed":false,"egress":{"allowed":false,"reason":"noentryallowsit"},\
        "from":{"address":"10.7.2.2","container":"db","interface":"eth0","network":"mgmt"},\
        "ingress":{"allowed":true,"reason":"notlimited:nocontaineronthishost"},"protocol":"tcp","to":{"address":"192.0.2.7"}}]}
        1
        1
        1
        64

        """)
    #expect(
      answer.errors == """
        Error: "nothing": no address, and no container or network with a container on this host: \
        containers: db, db2, web, web2; networks: front, mgmt (code 3)
        Error: db, db: want two ends with addresses of the same family, in two containers (code 7)

        """)
  }

  @Test func `a refused document changes nothing`() throws {
    let answer = try Sandbox.run(
      world + plain + limits + #"""
        list apart apart 10.7.3.0 ',"isolation":"container"' ''; network quiet none
        list l2 l2 10.7.4.0 ',"ipspoofchk":false' ''
        echo '{"cniVersion":"1.1.0","name":"odd","plugins":[{"type":"fake"},{"type":"firewall"}]}' > /run/net.d/odd.conflist
        start odd odd
        state() { md5sum /run/net.d/* /var/lib/cni/results/*; find /run/swift-cni/filter | sort; nft list ruleset; }
        before=$(state)
        refuse() { cnictl policy apply - && exit 9; [ "$before" = "$(state)" ] || echo changed; }
        (cat /run/limits.yaml; document front 'ingress: [{ports: [{port: http}]}]') | refuse
        (cat /run/limits.yaml; document none 'ingress: []') | refuse
        (cat /run/limits.yaml; document odd 'ingress: []') | refuse
        document apart 'ingress: [{from: [{podSelector: {}}]}]' | refuse
        document quiet 'ingress: []' | refuse
        document l2 'ingress: []' | refuse
        echo | refuse
        cnictl connect front web2 --ifname eth7 --label a=b || echo 1
        """#)
    #expect(answer.status == 0 && answer.output == "1\n", "\(answer.output)")
    for message in [
      #"document 2: key "spec.ingress[0].ports[0].port": "http": want a number"#,
      #"no network "none": the networks are"#, "odd odd eth0: policy not changed: want addresses, and a bridge or veth",
      "network apart: its configuration keeps its containers apart",
      "network quiet: none of its plugins takes the key",
      #"network l2: plugin bridge: key "policy": the rules match source addresses, which must be checked"#,
      "no policy: want documents of kind NetworkPolicy", "network front: cannot have labels",
    ] {
      #expect(answer.errors.contains(message), "\(answer.errors)")
    }
  }

  @Test func `a dry run prints the policy and changes nothing`() throws {
    let output = try Sandbox.output(
      world + plain + limits + #"""
        before=$(md5sum /run/net.d/*; nft list ruleset)
        cnictl policy apply --dry-run /run/limits.yaml 2> /run/null | tr -d ' \n'; echo
        [ "$before" = "$(md5sum /run/net.d/*; nft list ruleset)" ] && echo same
        """#)
    #expect(
      output == """
        networkmgmt:policyfor/run/net.d/mgmt.conflist{"egress":[{"ports":["80/tcp"],"to":{"network":"front"}}],\
        "ingress":[{"from":{"network":"front"},"ports":["514/tcp"]},{"from":{"cidr":"192.0.2.0/24"},"ports":["514/tcp"]}]}
        same

        """)
  }
}
