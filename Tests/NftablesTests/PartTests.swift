import NetTypes
import PacketFilter
import Testing
@testable import Nftables

@Suite struct PartTests {
  @Test(arguments: Layout.Part.allCases)
  func `the rules of a part lead to chains and sets of that part only`(part: Layout.Part) {
    let chains = part.chains
    for (index, chain) in chains.enumerated() {
      for statement in chain.rules.flatMap(\.statements) {
        if let set = statement.set { #expect(set.part == part, "\(chain.name)") }
        if case .jump(let name) = statement { #expect(chains[..<index].contains { $0.name == name }, "\(chain.name)") }
      }
    }
    #expect(chains.contains { $0.name == part.mainChain })
    #expect(!part.sets.isEmpty)
  }

  @Test func `every chain and every set belongs to one part`() {
    let parts = Layout.Part.allCases
    #expect(
      parts.flatMap { part in part.chains.map { "\(part.table) \($0.name)" } }.sorted()
        == Table.allCases.flatMap { table in Layout.chains(table).map { "\(table) \($0.name)" } }.sorted())
    #expect(parts.flatMap(\.sets).map(\.qualifiedName).sorted() == Layout.sets.map(\.qualifiedName).sorted())
  }

  @Test func `a part is declared with its own sets and chains and deleted with them`() {
    let added = Layout.declaration([.masquerading]).map(\.text)
    #expect(added.first == "add table inet swift_cni")
    #expect(added.contains("add map inet swift_cni masquerade4 { type ipv4_addr : verdict ; }"))
    #expect(!added.contains { $0.contains("ports4") || $0.contains("owners") })
    #expect(
      Layout.Part.publishing.deletion.prefix(5).map(\.text) == [
        "delete chain inet swift_cni output", "delete chain inet swift_cni prerouting",
        "delete chain inet swift_cni publish", "delete chain inet swift_cni localnet",
        "delete chain inet swift_cni spare",
      ])
  }
}

extension Statement {
  /// The named set that the statement looks up.
  fileprivate var set: SetSpec? {
    switch self {
    case .member(_, let set, _), .verdict(_, let set), .translate(_, _, _, let set): set
    default: nil
    }
  }
}
