import CNI
import LabSupport
import Testing

/// Services with the engine haproxy.
@Suite(.needsRoot)
struct ServiceProxyTests {
  private static let vips = ["10.77.1.250", "fd77:1::fa"]

  /// Network 1 with a service whose members answer at port 82.
  private static func network(_ world: World, _ keys: String = "{}") throws -> Network {
    var network = try world.network(1, portmap: nil)
    let service = #"""
      {"type": "service", "service": "web", "engine": "haproxy", "vip": ["\#(vips[0])", "\#(vips[1])"],
       "scheduler": "roundRobin", "ports": [{"port": 8000, "targetPort": 82}], "publish": [{"hostPort": 8001}]}
      """#
    network.plugins.append(try JSONValue(json: service).merging(try JSONValue(json: keys)))
    return network
  }

  /// A container's server: answers HTTP with its name and the headers' client, and other requests with its name.
  private static let server = """
    from os.path import exists
    from socket import *
    from sys import argv
    from threading import Thread
    listener = socket(AF_INET6)
    listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    listener.bind(('::', 82)); listener.listen(64)
    def serve(connection):
        while data := connection.recv(1000):
            if data.startswith(b'GET '):
                clients = [l.split(': ')[1] for l in data.decode().split('\\r\\n') if l.lower().startswith('x-forwarded-for')]
                body = ' '.join([argv[1]] + clients)
                status = '500 X' if b'/live' in data and exists(argv[2]) else '200 OK'
                connection.sendall(f'HTTP/1.1 {status}\\r\\nContent-Length: {len(body)}\\r\\nConnection: close\\r\\n\\r\\n{body}'.encode())
                break
            connection.sendall(argv[1].encode() + b'\\n')
        connection.close()
    while True:
        connection, _ = listener.accept()
        Thread(target=serve, args=(connection,), daemon=True).start()
    """

  private static func failure(_ number: Int, _ world: World) -> String { "\(world.lab.directory)/fails\(number)" }

  private static func start(_ number: Int, _ world: World) throws {
    let directory = world.lab.directory, namespace = world.namespace(.container(number))
    try world.shell("cat > \(directory)/server.py <<'END'\n\(server)\nEND")
    try world.launch(
      "server\(number)",
      "ip netns exec \(namespace) python3 \(directory)/server.py c\(number) \(failure(number, world))")
    try world.lab.shell(
      "for i in $(seq 300); do ss -Hltn sport = 82 | grep -q . && exit; sleep 0.1; done; exit 1", in: namespace)
  }

  /// Runs `body`; then ends what it left, if it failed.
  private static func use(containers: Int, _ body: (World) throws -> Void) throws {
    try World.use(.nftables, containers: containers) { world in
      defer {
        for number in 1...containers { world.end("server\(number)") }
        _ = try? world.shell("for f in /run/swift-cni/haproxy/*/*.pid; do kill -9 $(cat $f); done")
      }
      try body(world)
    }
  }

  /// The containers that answered twelve connections, the same for each address; `none` for one that failed.
  private static func answers(
    _ world: World, _ addresses: [String] = vips, port: Int = 8000, from place: Place = .outside
  ) throws -> Set<String> {
    let program = """
      from socket import *
      from sys import argv
      for address in argv[2:]:
          for _ in range(12):
              try:
                  connection = create_connection((address, argv[1]), 5); connection.sendall(b'who')
                  print(address, connection.recv(100).decode().strip() or 'none')
              except OSError: print(address, 'none')
      """
    let outcome = try world.lab.run(
      "/usr/bin/python3", ["-c", program, "\(port)"] + addresses, in: world.namespace(place))
    let lines = outcome.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    let answers = addresses.map { address in Set(lines.filter { $0.first == address }.compactMap(\.last)) }
    #expect(Set(answers).count == 1, "\(answers)")
    return answers[0]
  }

  /// The answers to requests, one for each address; `none` for one that failed.
  private static func fetch(_ world: World, _ scheme: String, _ addresses: [String], port: Int) throws -> [String] {
    let program = """
      from ssl import CERT_NONE, create_default_context
      from sys import argv
      from urllib.request import urlopen
      context = create_default_context(); context.check_hostname = False; context.verify_mode = CERT_NONE
      for url in argv[1:]:
          try: print(urlopen(url, timeout=5, context=context if url.startswith('https') else None).read().decode())
          except OSError as error: print('none', error)
      """
    let urls = addresses.map { "\(scheme)://\($0.contains(":") ? "[\($0)]" : $0):\(port)/" }
    let outcome = try world.lab.run("/usr/bin/python3", ["-c", program] + urls, in: world.namespace(.outside))
    return outcome.output.split(separator: "\n").map(String.init)
  }

  private static func processes(_ world: World) throws -> [String] {
    try world.shell("ip netns pids \(world.lab.host) | xargs -r ps -o pid=,comm= -p | grep haproxy || true")
      .split(separator: "\n").map(String.init)
  }

  @Test func `connections are shared and stay while members come and go, also with another configuration`() throws {
    try Self.use(containers: 4) { world in
      let network = try Self.network(world)
      let idle = try Self.network(world, #"{"weight": 0}"#).add(4)
      var members = [try network.add(1)]
      try Self.start(1, world)
      let processes = try Self.processes(world)
      #expect(processes.count == 1)
      let clients = try ServiceClients(world, to: Self.vips, ["tcp"])
      try clients.waitFor("c1")
      // The other stays in its slot.
      try network.delete(idle)
      members.append(try network.add(2))
      try Self.start(2, world)
      try world.lab.run(network.call("ADD", network.plugins[1], members[1])).requireSuccess()
      #expect(try Self.processes(world) == processes)
      #expect(try !world.ruleset().joined().contains("back_"))
      // More ports need another configuration.
      let ports = [8000, 8002].map { #"{"port": \#($0), "targetPort": 82}"# }.joined(separator: ",")
      members.append(try Self.network(world, #"{"ports": [\#(ports)], "publish": []}"#).add(3))
      try Self.start(3, world)
      #expect(try Self.answers(world, port: 8002) == ["c3"])
      try clients.goOn()
      try clients.waitFor("c1", count: 2)
      #expect(try Self.answers(world) == ["c1", "c2", "c3"])
      #expect(try Self.answers(world, from: .container(1)) == ["c1", "c2", "c3"])
      #expect(try Self.answers(world, World.host, port: 8001) == ["c1", "c2"])
      for outcome in try network.check(members[1]) { #expect(outcome.isSuccess, "\(outcome)") }
      try network.delete(members[1], knowing: false)
      #expect(try Self.answers(world) == ["c1", "c3"])
      for member in members where member.container != 2 { try network.delete(member) }
      #expect(try Self.processes(world) == [])
    }
  }

  @Test func `a killed haproxy is repaired, and the last container ends it, also by GC`() throws {
    try Self.use(containers: 3) { world in
      let network = try Self.network(world)
      _ = try world.network(1, portmap: nil).add(3)
      let state = { () throws in
        try world.ruleset() + [world.shell("ip -br address show lo; ip -br address show br1")]
      }
      let before = try state()
      var members: [Network.Attachment] = []
      for number in 1...2 {
        members.append(try network.add(number))
        try Self.start(number, world)
      }
      try world.shell("kill -9 $(cat /run/swift-cni/haproxy/*/web.pid)")
      let killed = try network.check(members[0]).last
      #expect(killed?.code == 101, "\(killed as Any)")
      #expect(try world.shell("\(Binaries.ours)/cnictl service inspect web").contains("missing"))
      try world.repair()
      #expect(try Self.answers(world) == ["c1", "c2"])
      try world.shell("nft flush ruleset")
      try world.repair()
      #expect(try Self.answers(world) == ["c1", "c2"])
      try network.delete(members[0])
      try network.collectGarbage(keeping: [3])
      #expect(try state() == before)
      #expect(try Self.processes(world) == [])
      #expect(try world.shell("find /run/swift-cni -path '*haproxy*'") == "")
    }
  }

  @Test func `HTTP has the client's address, TLS ends in haproxy, and a failing member gets no connections`() throws {
    try Self.use(containers: 2) { world in
      let directory = world.lab.directory
      try world.shell(
        """
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=web -keyout \(directory)/key \
          -out \(directory)/crt 2> /dev/null && cat \(directory)/crt \(directory)/key > \(directory)/web.pem
        """)
      let network = try Self.network(
        world,
        #"{"haproxy": {"mode": "http", "certificate": "\#(directory)/web.pem"}, "health": {"http": "/live", "interval": 1}}"#
      )
      var members: [Network.Attachment] = []
      for number in 1...2 {
        members.append(try network.add(number))
        try Self.start(number, world)
      }
      let inspect = "\(Binaries.ours)/cnictl service inspect web"
      func waitFor(_ state: String, count: Int) throws {
        try world.shell(
          """
          for i in $(seq 300); do [ $(\(inspect) | grep -c '"\(state)"') = \(count) ] && exit; sleep 0.1; done
          \(inspect); exit 1
          """)
      }
      try waitFor("in", count: 8)
      for vip in Self.vips {
        let seen = try Self.fetch(world, "https", [vip, vip], port: 8000).sorted()
        let client = World.outside[vip == Self.vips[0] ? 0 : 1]
        #expect(seen == ["c1 \(client)", "c2 \(client)"])
      }
      try world.shell("touch \(Self.failure(2, world))")
      try waitFor("out", count: 4)
      let left = try Self.fetch(world, "https", Array(repeating: Self.vips[0], count: 4), port: 8000)
      #expect(Set(left) == ["c1 \(World.outside[0])"])
      let check = try world.lab.run("\(Binaries.ours)/cnictl", ["service", "check", "web"], in: world.lab.host)
      #expect(!check.isSuccess && check.errors.contains("haproxy checks"), "\(check)")
      for member in members { try network.delete(member) }
    }
  }

  @Test func `an ADD that is refused leaves nothing, and says what haproxy or the host says`() throws {
    try Self.use(containers: 2) { world in
      let before = try world.ruleset()
      let noFile = try Self.network(world, #"{"haproxy": {"certificate": "/nowhere.pem"}}"#).refusal(1)
      #expect(noFile.code == 100 && noFile.complaint.contains("/nowhere.pem"), "\(noFile)")
      try world.launch("other", "python3 -m http.server 8001")
      try world.shell("for i in $(seq 300); do ss -Hltn sport = 8001 | grep -q . && exit; sleep 0.1; done; exit 1")
      let bound = try Self.network(world).refusal(1)
      #expect(bound.code == 107 && bound.complaint.contains("http.server"), "\(bound)")
      world.end("other")
      #expect(try world.ruleset() == before)
      #expect(try Self.processes(world) == [])
      #expect(try world.shell("find /run/swift-cni -path '*haproxy*'") == "")
      let member = try Self.network(world).add(1)
      let rules = try Self.network(world, #"{"engine": "nftables"}"#).refusal(2)
      #expect(rules.code == 11 || rules.code == 100, "\(rules)")
      let published = try world.network(2)
      let mapped = try published.refusal(2, ports: [#"{"hostPort": 8001, "containerPort": 80, "protocol": "tcp"}"#])
      #expect(mapped.code == 107, "\(mapped)")
      try Self.network(world).delete(member)
      #expect(try Self.processes(world) == [])
    }
  }
}
