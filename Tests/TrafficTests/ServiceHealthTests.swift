import CNI
import LabSupport
import Testing

/// Health checks of services: `cnictl service check`.
@Suite(.needsRoot)
struct ServiceHealthTests {
  private static let vips = ["10.77.1.250", "fd77:1::fa"]

  /// Network 1 with a service whose members answer HTTP at port 82.
  private static func network(_ world: World, health: String = #"{"http": "/live", "port": 82}"#) throws -> Network {
    var network = try world.network(1, portmap: nil)
    let service = #"""
      {"type": "service", "service": "web", "vip": ["\#(vips[0])", "\#(vips[1])"], "scheduler": "roundRobin",
       "ports": [{"port": 8000, "targetPort": 82}, {"port": 8000, "targetPort": 81, "protocol": "udp"}],
       "health": \#(health)}
      """#
    network.plugins.append(try JSONValue(json: service))
    return network
  }

  /// A server in a container that answers every request with the status in its file, and keeps other connections open.
  private static let server = """
    from socket import *
    from sys import argv
    from threading import Thread
    listener = socket(AF_INET6)
    listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    listener.bind(('::', 82)); listener.listen(64)
    def serve(connection):
        while data := connection.recv(1000):
            if data.startswith(b'GET /live '):
                status = open(argv[1]).read().strip()
                connection.sendall(f'HTTP/1.1 {status} X\\r\\nContent-Length: 0\\r\\n\\r\\n'.encode()); break
            connection.sendall(argv[2].encode() + b'\\n')
        connection.close()
    def echo():
        datagrams = socket(AF_INET6, SOCK_DGRAM)
        datagrams.bind(('::', 81))
        while True: datagrams.sendto(argv[2].encode(), datagrams.recvfrom(1000)[1])
    Thread(target=echo, daemon=True).start()
    while True:
        connection, _ = listener.accept()
        Thread(target=serve, args=(connection,), daemon=True).start()
    """

  private static func start(_ number: Int, _ world: World) throws {
    let directory = world.lab.directory
    try world.shell("echo 200 > \(directory)/status\(number)\ncat > \(directory)/server.py <<'END'\n\(server)\nEND")
    try world.launch(
      "server\(number)",
      "ip netns exec \(world.namespace(.container(number))) python3 \(directory)/server.py \(directory)/status\(number) c\(number)"
    )
    try world.lab.shell(
      "for i in $(seq 300); do ss -Hltn sport = 82 | grep -q . && exit; sleep 0.1; done; exit 1",
      in: world.namespace(.container(number)))
  }

  private static func set(_ status: Int, of number: Int, _ world: World) throws {
    try world.shell("echo \(status) > \(world.lab.directory)/status\(number)")
  }

  private static func check(_ world: World, _ arguments: [String] = []) throws -> Outcome {
    try world.lab.run("\(Binaries.ours)/cnictl", ["service", "check"] + arguments, in: world.lab.host)
  }

  /// The containers that answered twelve connections, the same for each virtual address; `none` for one that failed.
  private static func answers(_ world: World) throws -> Set<String> {
    let program = """
      from socket import *
      from sys import argv
      for address in argv[1:]:
          for _ in range(12):
              try:
                  connection = create_connection((address, 8000), 5); connection.sendall(b'who')
                  print(address, connection.recv(100).decode().strip())
              except OSError: print(address, 'none')
      """
    let outcome = try world.lab.run(
      "/usr/bin/python3", ["-c", program] + vips, in: world.namespace(.outside))
    let lines = outcome.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    let answers = vips.map { vip in Set(lines.filter { $0.first == vip }.compactMap(\.last)) }
    #expect(answers[0] == answers[1])
    return answers[0]
  }

  @Test func `check takes out a member whose server has stopped, and in again, and no connection fails`() throws {
    try World.use(.nftables, containers: 3) { world in
      let network = try Self.network(world)
      var members: [Network.Attachment] = []
      for number in 1...3 {
        members.append(try network.add(number))
        try Self.start(number, world)
      }
      #expect(try Self.check(world).isSuccess)
      #expect(try Self.answers(world) == ["c1", "c2", "c3"])
      world.end("server2")
      let outcome = try Self.check(world)
      #expect(!outcome.isSuccess && outcome.output.contains("out: Connection refused"), "\(outcome)")
      #expect(try Self.answers(world) == ["c1", "c3"])
      for outcome in try network.check(members[1]) { #expect(outcome.isSuccess, "\(outcome)") }
      try world.lab.run("\(Binaries.ours)/cnictl", ["repair"], in: world.lab.host).requireSuccess()
      try network.delete(members[0])
      #expect(try Self.answers(world) == ["c3"])
      members[0] = try network.add(1)
      #expect(try Self.answers(world) == ["c1", "c3"])
      try network.delete(members[1])
      try Self.start(2, world)
      members[1] = try network.add(2)
      #expect(try Self.answers(world) == ["c1", "c2", "c3"])
      try Self.set(500, of: 1, world)
      let failed = try Self.check(world, ["web"])
      #expect(!failed.isSuccess && failed.output.contains("HTTP status 500"), "\(failed)")
      #expect(try Self.answers(world) == ["c2", "c3"])
      let listed = try world.lab.run("\(Binaries.ours)/cnictl", ["service", "ls"], in: world.lab.host).output
      #expect(listed.contains("10.77.1.250:8000/tcp") && listed.contains("2/3"), "\(listed)")
      try Self.set(302, of: 1, world)
      #expect(try Self.check(world).isSuccess)
      #expect(try Self.answers(world) == ["c1", "c2", "c3"])
      for member in members { try network.delete(member) }
      #expect(try !world.shell("nft list ruleset").contains("service"))
      for number in 1...3 { world.end("server\(number)") }
    }
  }

  @Test func `if all members are out connections are refused, until a flush and repair or a check takes them in`()
    throws
  {
    try World.use(.nftables, containers: 2) { world in
      let network = try Self.network(world, health: #"{"tcp": 82, "timeout": 1}"#)
      for number in 1...2 { _ = try network.add(number) }
      #expect(try !Self.check(world).isSuccess)
      let repeated = try Self.check(world)
      #expect(!repeated.isSuccess && repeated.output.contains("still out"), "\(repeated)")
      for number in 1...2 { try Self.start(number, world) }
      #expect(try Self.answers(world) == ["none"])
      try world.shell("nft flush ruleset")
      world.end("server2")
      let missing = try Self.check(world)
      #expect(!missing.isSuccess && missing.output.contains("its rules are missing"), "\(missing)")
      try Self.start(2, world)
      try world.lab.run("\(Binaries.ours)/cnictl", ["repair"], in: world.lab.host).requireSuccess()
      #expect(try Self.answers(world) == ["c1", "c2"])
      #expect(try Self.check(world).isSuccess)
      let inspected = try world.lab.run("\(Binaries.ours)/cnictl", ["service", "inspect", "web"], in: world.lab.host)
      #expect(inspected.output.contains(#""state": "in""#) && !inspected.output.contains(#""out""#), "\(inspected)")
      let unknown = try Self.check(world, ["other"])
      #expect(!unknown.isSuccess, "\(unknown)")
      for number in 1...2 { world.end("server\(number)") }
    }
  }

  @Test func `an open connection stays when its member is taken out, and UDP goes to another member`() throws {
    try World.use(.nftables, containers: 3) { world in
      let network = try Self.network(world, health: #"{"tcp": 82}"#)
      _ = try network.add(1)
      try Self.start(1, world)
      let clients = try ServiceClients(world, to: Self.vips, ["tcp", "udp"])
      try clients.waitFor("c1 c1")
      _ = try network.add(2)
      try Self.start(2, world)
      // The open connections need their server, so a rule refuses new ones.
      try world.lab.shell(
        """
        nft -f - <<'END'
        table inet t {
          chain in { type filter hook input priority 0; tcp dport 82 tcp flags & (syn | ack) == syn reject with tcp reset; }
        }
        END
        """, in: world.namespace(.container(1)))
      let outcome = try Self.check(world)
      #expect(!outcome.isSuccess && outcome.output.contains("out: Connection refused"), "\(outcome)")
      try network.delete(try network.add(3))
      try clients.goOn()
      try clients.waitFor("c1 c2")
      for name in ["server1", "server2"] { world.end(name) }
    }
  }

  @Test func `UDP goes to another member when its container is detached`() throws {
    try World.use(.nftables, containers: 2) { world in
      let network = try Self.network(world, health: #"{"tcp": 82}"#)
      let first = try network.add(1)
      try Self.start(1, world)
      let clients = try ServiceClients(world, to: Self.vips, ["udp"])
      try clients.waitFor("c1")
      _ = try network.add(2)
      try Self.start(2, world)
      try network.delete(first)
      try clients.goOn()
      try clients.waitFor("c2")
      for name in ["server1", "server2"] { world.end(name) }
    }
  }

  @Test func `with --watch members go out and in by themselves, and SIGTERM ends it with status 0`() throws {
    try World.use(.nftables, containers: 2) { world in
      let network = try Self.network(world, health: #"{"http": "/live", "interval": 1}"#)
      for number in 1...2 {
        _ = try network.add(number)
        try Self.start(number, world)
      }
      let directory = world.lab.directory
      try world.shell(
        """
        (\(Binaries.ours)/cnictl service check --watch > \(directory)/watch.log 2>&1 < /dev/null & echo $! > \(directory)/watch.pid
         wait $!; echo $? > \(directory)/watch.status) > /dev/null 2>&1 &
        """)
      func waitFor(_ members: String) throws {
        try world.shell(
          """
          for i in $(seq 300); do
            [ $(\(Binaries.ours)/cnictl service ls | grep '8000/tcp' | grep -c '\(members)') = 2 ] && exit
            sleep 0.1
          done; cat \(directory)/watch.log; exit 1
          """)
      }
      try Self.set(500, of: 2, world)
      try waitFor("1/2")
      #expect(try Self.answers(world) == ["c1"])
      try Self.set(200, of: 2, world)
      try waitFor("2/2")
      #expect(try Self.answers(world) == ["c1", "c2"])
      try world.shell("kill $(cat \(directory)/watch.pid)")
      try world.shell("for i in $(seq 300); do [ -s \(directory)/watch.status ] && exit; sleep 0.1; done; exit 1")
      #expect(try world.shell("cat \(directory)/watch.status") == "0\n")
      let log = try world.shell("cat \(directory)/watch.log")
      #expect(log.contains("out: HTTP status 500") && log.contains("): in"), "\(log)")
      for number in 1...2 { world.end("server\(number)") }
    }
  }
}
