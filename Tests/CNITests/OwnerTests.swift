import CNI
import NetTypes
import Testing

@Suite struct OwnerTests {
  private func owner(_ network: String, _ container: String, _ interface: String) throws -> Owner {
    Owner(
      network: try #require(NetworkName(network)), container: try #require(ContainerID(container)),
      interface: try #require(InterfaceName(interface)))
  }

  @Test func `the host's interface has a name that never changes`() throws {
    #expect(try owner("net1", "c1", "eth0").hostInterface.description == "vethvn6ocunkplq")
  }

  @Test func `networks, containers and interfaces have names of their own`() throws {
    let names = try [
      owner("net1", "c1", "eth0"), owner("net2", "c1", "eth0"), owner("net1", "c2", "eth0"),
      owner("net1", "c1", "eth1"),
    ].map(\.hostInterface)
    #expect(Set(names).count == 4)
  }

  @Test func `ten thousand attachments of a network have ten thousand names`() throws {
    let names = try (0..<10_000).map { try owner("net", "c\($0)", "eth0").hostInterface }
    #expect(Set(names).count == 10_000)
    let prefix = Owner.hostInterfacePrefix(try #require(NetworkName("net")))
    #expect(names.allSatisfy { $0.description.hasPrefix(prefix) && $0.description.count == 15 })
  }
}
