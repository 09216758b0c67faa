import CNI
import LabSupport
import Testing

/// Policies that name a network whose bridge the reference plugin has made: nothing on the host has the network's name.
@Suite(.needsRoot)
struct PolicyReferenceTests {
  /// Network 1 as the reference leaves it: without aliases.
  private static func use(_ firewall: String?, _ body: (World, Network) throws -> Void) throws {
    try World.use(.nftables, containers: 3) { world in
      let network = try world.network(1, firewall: firewall)
      try body(world, network)
    }
  }

  private static func stripAliases(_ world: World) throws {
    try world.shell(
      """
      for link in $(ip -o link | cut -d: -f2 | cut -d@ -f1); do ip link set $link alias ''; done
      ! ip link | grep alias
      """)
  }

  private static func limited(_ world: World) throws -> Network {
    try world.network(2, #"{"policy": {"ingress": [{"from": {"network": "\#(world.lab.name)-n1"}, "ports": ["80"]}]}}"#)
  }

  private static func expect(_ world: World, _ attachment: Network.Attachment, _ isKnown: Bool) throws {
    try world.expect(
      Expectation.ofBothFamilies { family in
        [
          Expectation(
            .container(1), to: attachment.addresses[family], .tcp, 80, by: isKnown ? .container(2) : nil),
          Expectation(.container(1), to: attachment.addresses[family], .tcp, 81, by: nil),
        ]
      })
  }

  @Test(arguments: [true, false])
  func `the runtime's results tell its bridge`(areKept: Bool) throws {
    try Self.use(nil) { world, network in
      let front = try network.add(1)
      try Self.stripAliases(world)
      if areKept {
        let cached = JSONValue.object([
          "kind": "cniCacheV1", "networkName": .string("\(world.lab.name)-n1"), "result": front.result,
        ])
        try world.shell(
          """
          mkdir -p /var/lib/cni/results
          cat > /var/lib/cni/results/\(world.lab.name)-n1-c1-eth0 <<'END'
          \(cached.line)
          END
          """)
      }
      try Self.expect(world, Self.limited(world).add(2), areKept)
    }
  }

  @Test func `firewall in its list tells its bridge to policies that came before`() throws {
    try Self.use("{}") { world, network in
      let attachment = try Self.limited(world).add(2)
      // Our bridge plugin, for a network of another name, as the reference's knows none.
      let bridge = network.complete(network.plugins[0]).with("name", "another")
      var front = try network.attachment(1)
      front.result = try world.lab.add(bridge, to: 1).result()
      try Self.expect(world, attachment, false)
      try world.lab.run(network.call("ADD", #require(network.plugins.last), front)).requireSuccess()
      try Self.expect(world, attachment, true)
    }
  }
}
