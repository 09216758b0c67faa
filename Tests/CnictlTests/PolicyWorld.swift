/// Scripts for `cnictl policy` with the built plugins.
enum PolicyWorld {
  /// Containers that send each other TCP through the host.
  ///
  /// `web` and `web2` are on the network `front`, `db` and `db2` on `mgmt`; nothing has a policy at first. Each container
  /// listens on TCP ports 80 and 514. `tcp FROM ADDRESS PORT` prints whether a connection is made.
  static let script = #"""
    front() { echo "10.7.1.$1"; }
    mgmt() { echo "10.7.2.$1"; }
    list() {
      printf '{"cniVersion":"1.1.0","name":"%s","plugins":[{"type":"bridge","bridge":"t-%s","isDefaultGateway":true,
        "ipam":{"type":"ipam-host-local","ranges":[[{"subnet":"%s/24"}]]}%s}%s]}' "$@" > /run/net.d/$1.conflist
    }
    cat > /run/listen.py <<'END'
    from selectors import DefaultSelector, EVENT_READ
    from socket import create_server
    from sys import argv
    selector = DefaultSelector()
    for port in (80, 514): selector.register(create_server(("", port), backlog=50), EVENT_READ)
    open("/run/listens-" + argv[1], "w")
    while True:
      for key, _ in selector.select(): key.fileobj.accept()[0].close()
    END
    cat > /run/connect.py <<'END'
    from socket import create_connection
    from sys import argv
    try: create_connection((argv[1], int(argv[2])), timeout=float(argv[3]))
    except TimeoutError: exit(1)
    END
    tcp() {
      if ip netns exec $1 python3 /run/connect.py $2 $3 ${4-0.5}; then echo "$1 to $2 $3: passes"; else echo "$1 to $2 $3: denied"; fi
    }
    document() {
      echo '---'; echo 'apiVersion: networking.k8s.io/v1'; echo 'kind: NetworkPolicy'
      echo "metadata: {name: some, namespace: $1}"; echo 'spec:'; echo '  podSelector: {}'; shift
      printf '  %s\n' "$@"
    }
    servers=
    trap 'kill $servers' EXIT
    start() {
      cnictl netns add $2 > /run/null; cnictl connect $* > /run/null
      ip netns exec $2 python3 /run/listen.py $2 & servers="$servers $!"
      until [ -e /run/listens-$2 ]; do sleep 0.05; done
    }
    echo 1 > /proc/sys/net/ipv4/ip_forward

    """#

  /// The namespace `outside`, 10.8.0.1, to which the host's link `up0` leads.
  ///
  /// `lan KEYS` writes the `macvlan` network `lan`.
  static let lan = #"""
    cnictl netns add outside > /run/null
    ip link add up0 type veth peer name lan0 netns outside; ip link set up0 up
    ip -n outside address add 10.8.0.1/24 dev lan0; ip -n outside link set lan0 up
    lan() {
      echo '{"cniVersion":"1.1.0","name":"lan","plugins":[{"type":"macvlan","master":"up0",
        "ipam":{"type":"ipam-host-local","ranges":[[{"subnet":"10.8.0.0/24","rangeStart":"10.8.0.2"}]]}'${1-}'}]}' > /run/net.d/lan.conflist
    }
    rules() { ip netns exec $1 nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'; }

    """#

  static let lists = """
    list front front 10.7.1.0 '' ''; list mgmt mgmt 10.7.2.0 '' ',{"type":"firewall"}'

    """

  static let starts = """
    start front web; start front web2; start mgmt db; start mgmt db2

    """

  static let plain = lists + starts

  /// Only `front` reaches `mgmt`, on port 514; containers of `mgmt` open no connections but to `front`.
  static let limits = """
    document mgmt 'policyTypes: [Ingress, Egress]' \
      'ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: front}}}, {podSelector: {}}]}]' \
      'egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: front}}}], ports: [{port: 80}]}]' \
      | sed 's/{podSelector: {}}]}]/{ipBlock: {cidr: 192.0.2.0\\/24}}], ports: [{port: 514}]}]/' > /run/limits.yaml

    """
}
