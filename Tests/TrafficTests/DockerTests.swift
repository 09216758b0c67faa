import Foundation
import LabSupport
import Testing

// Group: end-to-end

/// A host with Debian's Docker engine, whose rules drop forwarded packets of other networks.
@Suite(.needsRoot)
struct DockerTests {
  /// The variant of `iptables` on the host.
  enum Flavour: String, CaseIterable, Sendable {
    case legacy, nft
  }

  @Test(arguments: Backend.allCases, Flavour.allCases)
  func `with Docker the outside and published ports are reachable, also after Docker restarts`(
    backend: Backend, flavour: Flavour
  ) throws {
    try World.use(backend, containers: 1) { world in
      // Docker sets policy DROP for FORWARD only if it enables forwarding itself.
      try world.shell("echo 0 > /proc/sys/net/ipv4/ip_forward")
      let docker = try DockerEngine(in: world, flavour.rawValue)
      try docker.start()
      defer { docker.end() }
      let before = try docker.rules()
      #expect(before.contains("-P FORWARD DROP") && before.contains { $0.contains("-j DOCKER-USER") })
      let network = try world.network(1, firewall: "{}")
      let first = try network.add(1, ports: PublishedPortTests.ports)
      let wanted =
        Expectation.ofBothFamilies { family in
          [
            Expectation(.container(1), to: World.outside[family], 80, by: .outside),
            Expectation(.outside, to: World.host[family], 8080, by: .container(1)),
          ]
        } + [Expectation(.outside, to: first.addresses[0], 80, by: nil)]
      try world.expect(wanted)
      try docker.use("network create --subnet 172.30.0.0/16 more")
      docker.end()
      try docker.start()
      try world.expect(wanted)
      for outcome in try network.check(first) { #expect(outcome.isSuccess, "\(outcome)") }
      try docker.use("network rm more")
      try network.delete(first)
      #expect(try docker.rules() == before)
    }
  }
}

/// The Docker engine on the host of a world.
struct DockerEngine {
  private static let socket = "unix:///run/docker/socket"

  private let world: World
  /// The setting of PATH with Docker's programs and the `iptables` that Docker must use.
  private let path: String

  init(in world: World, _ flavour: String) throws {
    self.world = world
    let root = try world.lab.shell("\(Binaries.scripts)/docker-engine").trimmingCharacters(in: .newlines)
    let own = "\(world.lab.directory)/tables"
    path = "PATH=\(own):\(root)/usr/bin:\(root)/usr/sbin:$PATH"
    try world.shell(
      """
      mkdir -p \(own) /run/docker /var/lib/docker
      for v in iptables ip6tables; do for c in '' -save -restore; do
        ln -s /usr/sbin/xtables-\(flavour)-multi \(own)/$v$c
      done; done
      for d in /run/docker /var/lib/docker; do mount -t tmpfs tmpfs $d; done
      """)
  }

  func use(_ command: String) throws { try world.shell("\(path) docker -H \(Self.socket) \(command)") }

  func start() throws {
    try world.launch("dockerd", "env \(path) dockerd -H \(Self.socket) -p /run/docker/pid")
    try world.shell(
      "\(path); for i in $(seq 300); do docker -H \(Self.socket) info > /dev/null 2>&1 && exit; sleep 0.1; done; exit 1"
    )
  }

  func end() { world.end("dockerd") }

  /// The rules of `iptables` without order: Docker moves its own rules to the front at each start.
  func rules() throws -> Set<String> {
    let text = try world.shell(
      "\(path); for v in iptables ip6tables; do for t in filter nat; do $v -t $t -S; done; done")
    return Set(text.split(separator: "\n").map(String.init))
  }
}
