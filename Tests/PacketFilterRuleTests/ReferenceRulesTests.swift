import CNI
import NetTypes
import PacketFilter
import TestSupport
import Testing

/// Names of the reference plugins' chains; the expected names were copied from them.
@Suite struct ReferenceRulesTests {
  private func owner(_ container: String, _ interface: InterfaceName = "eth0") throws -> AttachmentID {
    AttachmentID(
      network: "net", container: try #require(ContainerID(container)), interface: interface)
  }

  @Test func `chains and comments equal those of the reference plugins`() throws {
    let names = ReferenceNames(try owner("old"))
    #expect(names.masqueradeChain == "CNI-5a0ea96af295c6a3a4707e74")
    #expect(names.portChains == ["CNI-DN-5a0ea96af295c6a3a4707", "CNI-SN-5a0ea96af295c6a3a4707"])
    #expect(names.masqueradeComment == #"name: "net" id: "old""#)
    #expect(names.portsComment == #"dnat name: "net" id: "old""#)
    // printf net | sha512sum; printf eth0:old | sha512sum
    #expect(names.hash == "a4861f4ae9f7d238-c9fe90c1ae664c22")
    #expect(names.guardChains == ["cni-br-iface-old-eth0", "cni-br-iface-old-eth0-mac"])
  }

  @Test(arguments: [
    (1, "c3a99edf74e2fcceab44dece"),
    (108, "0f610bd93fdee7dbc3906e68"),
    (109, "10a1bf969e237ada01197f60"),
    (124, "9e5a04634a50fb926d07a2d4"),
    (125, "530351cf34db6ad542a73a6d"),
    (200, "983d972fc61de69e223ba711"),
  ])
  func `chain names equal the reference's for container IDs of any length`(count: Int, start: String) throws {
    let names = ReferenceNames(try owner(String(repeating: "a", count: count)))
    #expect(names.masqueradeChain == "CNI-" + start)
  }

  @Test func `a comment too long for iptables is cut and ends in dots`() throws {
    let names = ReferenceNames(try owner(String(repeating: "a", count: 300)))
    #expect(names.portsComment.utf8.count == 256 && names.portsComment.hasSuffix("a..."))
  }

  @Test func `the rules of one attachment match only its comments`() throws {
    let rules = ReferenceRules(.attachment(try owner("old")), [.network])
    #expect(rules.covers(comment: #"name: "net" id: "old""#))
    #expect(!rules.covers(comment: #"name: "net" id: "older""#))
    #expect(!rules.covers(comment: #"name: "net2" id: "old""#))
    #expect(!rules.covers(comment: ""))
    let hash = ReferenceNames(try owner("old")).hash
    #expect(rules.covers(hashedComment: hash + ", net: net, if: eth0, id: old"))
    #expect(!rules.covers(hashedComment: ReferenceNames(try owner("old", "eth1")).hash + ", net: net"))
  }

  @Test func `GC matches the rules of all invalid attachments of the network`() throws {
    let kept = try owner("kept")
    let rules = ReferenceRules(.network(kept.network, except: [kept]), Set(PluginRole.allCases))
    #expect(rules.covers(comment: #"name: "net" id: "old""#))
    #expect(rules.covers(comment: #"dnat name: "net" id: "old""#))
    #expect(!rules.covers(comment: #"name: "net" id: "kept""#))
    #expect(!rules.covers(comment: #"dnat name: "net" id: "kept""#))
    #expect(!rules.covers(comment: #"name: "net2" id: "old""#))
    #expect(rules.covers(hashedComment: ReferenceNames(try owner("old")).hash + ", net: net"))
    #expect(!rules.covers(hashedComment: ReferenceNames(kept).hash + ", net: net"))
  }
}
