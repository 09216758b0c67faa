import CNI
import LabSupport
import Testing

/// A host and a LAN: the host's `up0`, the master, leads to the machine `lan`.
struct World: Sendable {
  let lab: Lab

  /// The address of a machine in each family.
  static let host = ["192.0.2.1", "2001:db8::1"]
  static let lan = ["192.0.2.2", "2001:db8::2"]
  /// The addresses that host-local assigns to the network's first, second … container.
  static func container(_ number: Int) -> [String] { ["192.0.2.1\(number - 1)", "2001:db8::1\(number - 1)"] }

  var lan: String { "\(lab.name)-lan" }

  /// Runs `body` in a new world, which is removed afterwards.
  ///
  /// `reflects`: whether the LAN's switch sends frames back to their port. `hasOther`: whether the host's first
  /// link is not the master and has an address that the LAN does not know.
  static func use<Value>(
    containers: Int = 2, reflects: Bool = false, hasOther: Bool = false, _ body: (World) throws -> Value
  ) throws -> Value {
    try Lab.use(containers: containers) { lab in
      let world = World(lab: lab)
      if hasOther {
        try lab.shell(
          "ip link add other type veth peer name other1; ip link set other up; ip address add 172.31.0.1/24 dev other",
          in: lab.host)
      }
      try lab.shell(world.wiring(reflects: reflects))
      return try body(world)
    }
  }

  private func wiring(reflects: Bool) -> String {
    let host = lab.host, containers = (1...lab.containerCount).map { lab.container($0) }.joined(separator: " ")
    let addressed = reflects ? "switch" : "lan0"
    let bridge = """
      ip -n \(lan) link add switch type bridge; ip -n \(lan) link set switch up
      ip -n \(lan) link set lan0 master switch; ip -n \(lan) link set lan0 type bridge_slave hairpin on
      """
    return """
      ip netns add \(lan)
      for c in \(containers); do ip -n $c link set lo up; done
      ip link add up0 netns \(host) type veth peer name lan0 netns \(lan)
      ip -n \(host) link set up0 up; ip -n \(lan) link set lan0 up
      \(reflects ? bridge : "")
      ip -n \(host) address add 192.0.2.1/24 dev up0; ip -n \(host) address add 2001:db8::1/64 dev up0 nodad
      ip -n \(lan) address add 192.0.2.2/24 dev \(addressed)
      ip -n \(lan) address add 2001:db8::2/64 dev \(addressed) nodad
      """
  }

  /// The network `net` on `up0`; `keys` is a JSON object with further members, which take precedence.
  func config(_ keys: String = "{}", version: SpecVersion = .latest, families: [Int] = [0, 1]) throws -> JSONValue {
    let ranges = [
      #"[{"subnet": "192.0.2.0/24", "rangeStart": "192.0.2.10", "gateway": "192.0.2.2"}]"#,
      #"[{"subnet": "2001:db8::/64", "rangeStart": "2001:db8::10", "gateway": "2001:db8::2"}]"#,
    ]
    return try JSONValue(
      json: """
        {"cniVersion": "\(version.rawValue)", "name": "net", "type": "macvlan", "master": "up0",
         "capabilities": {"ips": true, "mac": true},
         "ipam": {"type": "host-local", "dataDir": "\(lab.dataDir)",
                  "ranges": [\(families.map { ranges[$0] }.joined(separator: ", "))]}}
        """
    ).merging(try JSONValue(json: keys))
  }

  @discardableResult
  func add(_ config: JSONValue, to container: Int = 1, args: String = "") throws -> JSONValue {
    try lab.add(config, to: container, args: args, plugin: "macvlan").result()
  }

  func delete(_ config: JSONValue, from container: Int = 1) throws {
    try lab.delete(config, from: container, plugin: "macvlan").requireSuccess()
  }

  func mac(of link: String = "eth0", in namespace: String) throws -> String {
    try lab.link(link, in: namespace)?.text("address") ?? ""
  }

  /// The MAC address of an address in the neighbour table of a machine; `nil` if there is none.
  func neighbour(_ address: String, of namespace: String) throws -> String? {
    try lab.json("ip -j neigh show to \(address)", in: namespace).list("").first?.text("lladdr")
  }

  // MARK: reachability

  struct Reach {
    var from: String
    var to: String
    var isWanted: Bool
  }

  /// Pings from `from` to the addresses `to`, and whether an answer is expected.
  func reach(_ from: String, _ to: [String], _ isWanted: Bool = true) -> [Reach] {
    to.map { Reach(from: from, to: $0, isWanted: isWanted) }
  }

  /// Sends all pings at the same time; an expected answer may take long, an unexpected one only a short time.
  func expect(_ reaches: [Reach], sourceLocation: SourceLocation = #_sourceLocation) throws {
    let answers = try lab.answers(
      to: reaches.map { Probe(from: $0.from, to: $0.to, .ping, 0, patience: $0.isWanted ? 5 : 0.5) }, servers: [])
    for (reach, answer) in zip(reaches, answers) {
      if case .by = answer {
        #expect(reach.isWanted, "\(reach)", sourceLocation: sourceLocation)
      } else {
        #expect(!reach.isWanted, "\(reach): \(answer)", sourceLocation: sourceLocation)
      }
    }
  }
}
