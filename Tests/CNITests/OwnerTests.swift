import CNI
import NetTypes
import Testing

@Suite struct OwnerTests {
  private func owner(_ network: String, _ container: String, _ interface: String) throws -> AttachmentID {
    AttachmentID(
      network: try #require(NetworkName(network)), container: try #require(ContainerID(container)),
      interface: try #require(InterfaceName(interface)))
  }

  @Test func `the host interface of an attachment always has the same name`() throws {
    #expect(try owner("net1", "c1", "eth0").hostInterface.description == "vethvn6ocunkplq")
  }

  @Test func `the host link's name and MAC address and the attachment's number are always the same`() throws {
    let owner = try owner("net1", "c1", "eth0")
    #expect(AttachmentID.hostMacvlan(owner.network).description == "macvvn67ib5zsqa")
    let parent = try #require(MACAddress("02:00:00:00:00:01"))
    #expect(AttachmentID.hostMacvlanAddress(owner.network, over: parent).description == "2e:7b:61:10:3d:b1")
    #expect(owner.numericID == 1_587_990_606)
  }

  @Test(arguments: [("blue/c1/eth0", "3eekrvuiu723d"), ("", "gjksj5cm7au7o")])
  func `the hash of a text in names of files, chains and links is always the same`(text: String, hash: String) {
    #expect(AttachmentID.shortHash(text) == hash)
  }

  @Test func `a tag fits into an alias and starts with the network's prefix even if names are long`() throws {
    let long = String(repeating: "a", count: 300)
    #expect(try owner("net1", "c1", "eth0").tag == "cni:net1/c1/eth0")
    var tags: Set<String> = []
    for network in ["net", String(repeating: "n", count: 241), String(repeating: "n", count: 255)] {
      for container in ["c1", String(long.prefix(241)), String(long.prefix(242)), long, long + "b"] {
        let owner = try owner(network, container, "eth0")
        #expect(owner.tag.utf8.count <= 255)
        #expect(
          owner.tag.hasPrefix(AttachmentID.tagPrefix(owner.network))
            && owner.tag != AttachmentID.tagPrefix(owner.network))
        tags.insert(owner.tag)
      }
    }
    #expect(tags.count == 15)
    #expect(try owner("net", String(long.prefix(242)), "eth0").tag == "cni:net/\(long.prefix(242))/eth0")
  }

  @Test func `attachment numbers are in range, and a thousand attachments have different numbers`() throws {
    let numbers = try (0..<1000).map { try owner("net", "c\($0)", "eth0").numericID }
    #expect(numbers.allSatisfy(AttachmentID.numericIDs.contains))
    #expect(Set(numbers).count == 1000)
  }

  @Test func `different networks, containers and interfaces have different names`() throws {
    let names = try [
      owner("net1", "c1", "eth0"), owner("net2", "c1", "eth0"), owner("net1", "c2", "eth0"),
      owner("net1", "c1", "eth1"),
    ].map(\.hostInterface)
    #expect(Set(names).count == 4)
  }

  @Test func `ten thousand attachments of a network have different names`() throws {
    let names = try (0..<10_000).map { try owner("net", "c\($0)", "eth0").hostInterface }
    #expect(Set(names).count == 10_000)
    let prefix = AttachmentID.hostInterfacePrefix(try #require(NetworkName("net")))
    #expect(names.allSatisfy { $0.description.hasPrefix(prefix) && $0.description.count == 15 })
  }
}
