import LabSupport

/// Clients outside, one for each address: each asks who answers, and once more after `goOn`, on the same sockets.
struct ServiceClients {
  private let world: World
  private let count: Int
  private var directory: String { world.lab.directory }

  private static let program = """
    from os.path import exists
    from socket import *
    from sys import argv
    from time import sleep
    address, proceed, kinds = argv[1], argv[2], argv[3:]
    sockets = []
    for kind in kinds:
        family = AF_INET6 if ":" in address else AF_INET
        sockets.append(socket(family, SOCK_STREAM if kind == "tcp" else SOCK_DGRAM))
        sockets[-1].settimeout(5)
        sockets[-1].connect((address, 8000))
    for round in range(2):
        for one in sockets: one.send(b"who")
        print(*[one.recv(100).decode().strip() for one in sockets], flush=True)
        while round == 0 and not exists(proceed): sleep(0.05)
    """

  init(_ world: World, to addresses: [String], _ kinds: [String]) throws {
    self.world = world
    count = addresses.count
    try world.shell("cat > \(directory)/client.py <<'END'\n\(Self.program)\nEND")
    for (index, address) in addresses.enumerated() {
      let arguments = "\(directory)/client.py \(address) \(directory)/go \(kinds.joined(separator: " "))"
      try world.launch("client\(index)", "ip netns exec \(world.namespace(.outside)) python3 \(arguments)")
    }
  }

  func goOn() throws { try world.shell("touch \(directory)/go") }

  /// Waits, for 30 seconds at most, until every client has printed that line so many times.
  func waitFor(_ line: String, count times: Int = 1) throws {
    try world.shell(
      """
      for i in $(seq 300); do
        [ $(cat \(directory)/client?.log | grep -cx '\(line)') = \(count * times) ] && exit
        sleep 0.1
      done; cat \(directory)/client?.log; exit 1
      """)
  }
}
