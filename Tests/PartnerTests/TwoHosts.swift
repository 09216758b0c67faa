import CNI
import LabSupport
import NetTypes
import PacketFilter
import Testing

/// A host with three networks, each a bridge with a container and a link to a container on another host.
///
/// Networks `a` and `b` are isolated. `n` is not: its links are only in the link group of our networks.
struct TwoHosts {
  static let networks = ["a", "b", "n"]
  /// Containers on this host, on the other host (`'`), and a machine at the uplink.
  static let places = ["a", "a'", "b", "b'", "n", "n'", "out"]

  let lab: Lab

  static func use(_ body: (TwoHosts) throws -> Void) throws {
    try Lab.use(containers: places.count) { lab in
      let hosts = TwoHosts(lab: lab)
      try lab.shell(hosts.wiring)
      try body(hosts)
    }
  }

  func namespace(_ place: String) -> String { lab.container((Self.places.firstIndex(of: place) ?? 0) + 1) }

  /// The container's address in each family.
  static func addresses(_ place: String) -> [String] {
    guard place != "out" else { return ["192.0.2.1", "2001:db8::1"] }
    let number = subnet(place)
    return ["10.77.\(number).2", "fd77:\(number)::2"]
  }

  /// The container's addresses with prefix lengths, in each family.
  static func prefixes(_ place: String) -> [String] {
    addresses(place).map { $0 + ($0.contains(":") ? "/64" : "/24") }
  }

  private static func subnet(_ place: String) -> Int { (places.firstIndex(of: place) ?? 0) + 1 }

  private var wiring: String {
    let links = Self.places.map { place -> String in
      let network = place.prefix(1), number = Self.subnet(place), container = namespace(place)
      guard place != "out" else {
        return "attach \(container) uplink 192.0.2.2/24 2001:db8::2/64 192.0.2.1/24 2001:db8::1/64"
      }
      let addresses =
        "10.77.\(number).1/24 fd77:\(number)::1/64 10.77.\(number).2/24 fd77:\(number)::2/64"
      let isRemote = place.hasSuffix("'")
      return isRemote
        ? "attach \(container) vx-\(network) \(addresses); ours vx-\(network)"
        : """
        ip -n $host link add br-\(network) type bridge
        ip -n $host link set br-\(network) up
        attach \(container) p-\(network) \(addresses); ours br-\(network)
        ip -n $host address flush dev p-\(network); ip -n $host link set p-\(network) master br-\(network)
        ip -n $host address add 10.77.\(number).1/24 dev br-\(network)
        ip -n $host address add fd77:\(number)::1/64 dev br-\(network) nodad
        """
    }
    return """
      host=\(lab.host)
      # Until a link's own address is found to be single, a router asks for no neighbour there.
      for n in $host \(Self.places.map(namespace).joined(separator: " ")); do
        ip netns exec $n sh -c 'for c in all default; do echo 0 > /proc/sys/net/ipv6/conf/$c/accept_dad; done'
      done
      ours() { ip -n $host link set $1 group \(Isolation.linkGroup); }
      attach() {
        ip link add $2 netns $host type veth peer name eth0 netns $1
        ip -n $host link set $2 up; ip -n $1 link set eth0 up
        ip -n $host address add $3 dev $2; ip -n $host address add $4 dev $2 nodad
        ip -n $1 address add $5 dev eth0; ip -n $1 address add $6 dev eth0 nodad
        ip -n $1 route add default via ${3%/*}; ip -n $1 -6 route add default via ${4%/*}
      }
      \(links.joined(separator: "\n"))
      ip netns exec $host sh -ec 'echo 1 > /proc/sys/net/ipv4/ip_forward
        echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
        for v in iptables ip6tables; do $v-legacy -S > /dev/null; done'
      """
  }

  /// All rules, without counters.
  func ruleset() throws -> String {
    try lab.shell(
      "nft -s list ruleset; for v in iptables ip6tables; do $v-legacy-save | grep -v '^[#:]'; done", in: lab.host)
  }

  /// The successful TCP connections, such as `a a' 80`; a note is added if only one family succeeds.
  ///
  /// An expected answer may take long, an unexpected one only a short time.
  func passages(_ questions: [(String, String, Int)], expecting: [String]) throws -> [String] {
    let attempts = questions.flatMap { from, to, port in
      Self.addresses(to).map { ("\(from) \(to) \(port)", from, $0, port) }
    }
    let servers = Self.places.flatMap { place in
      [80, 81].map { Server(place, in: namespace(place), .tcp, $0) }
    }
    let answers = try lab.answers(
      to: attempts.map { question, from, to, port in
        Probe(from: namespace(from), to: to, .tcp, port, patience: expecting.contains(question) ? 5 : 0.4)
      }, servers: servers)
    var passed: [String: Int] = [:]
    for (question, answer) in zip(attempts, answers) {
      if case .by = answer { passed[question.0, default: 0] += 1 }
    }
    return passed.map { $1 == 2 ? $0 : "\($0), one family alone" }.sorted()
  }
}

func owner(_ network: String, _ container: String = "c1") throws -> AttachmentID {
  try AttachmentID(
    network: #require(NetworkName(network)), container: #require(ContainerID(container)), interface: name("eth0"))
}

func name(_ text: String) throws -> InterfaceName { try #require(InterfaceName(text)) }
func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
