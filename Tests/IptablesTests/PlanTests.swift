import CNI
import NetTypes
import PacketFilter
import Testing
@testable import Iptables

struct PlanTests {
  private func plan(_ rules: Rule...) throws -> TablePlan {
    let owner = try #require(
      NetworkName("n").flatMap { network in
        ContainerID("c").map { AttachmentID(network: network, container: $0, interface: .any) }
      })
    return try TablePlan.of(RuleSet(owner, .ports, rules))
  }

  private func port(_ change: (inout PublishedPort) -> Void) -> Rule {
    var port = PublishedPort(.tcp, hostPort: 80, to: .v4("10.1.0.2"), 80)
    change(&port)
    return .publish(port)
  }

  @Test func `only the needed tables are changed`() throws {
    #expect(try plan(port { _ in }).tables == [TableName(.nat, .v4)])
    let path = ReturnPath(subnet: IPPrefix("10.1.0.0/16") ?? .everything(.v4), link: .any)
    #expect(try plan(port { $0.masquerade = path }).tables == [TableName(.nat, .v4), .loopbackGuard])
    #expect(try plan(.admit(Admission(IPAddress(v6: 2)))).tables == [TableName(.filter, .v6)])
    #expect(
      try plan(.isolate(Isolation(.any, reach: .outside))).tables == [TableName(.filter, .v4), TableName(.filter, .v6)])
    #expect(try plan(.serve(NameService(.any, address: .v4("10.1.0.1")))).tables == [TableName(.filter, .v4)])
    #expect(try plan().tables.isEmpty)
  }

  @Test func `two ports of a container need only one masquerade rule`() throws {
    let path = ReturnPath(subnet: IPPrefix("10.1.0.0/16") ?? .everything(.v4), link: .any)
    let one = try plan(port { $0.masquerade = path }).items[TableName(.nat, .v4)]?.count
    let two = try plan(
      port { $0.masquerade = path },
      port {
        $0.masquerade = path
        $0.hostPort = 81
      }
    ).items[TableName(.nat, .v4)]?.count
    #expect(two == one.map { $0 + 1 })
  }

  @Test func `MAC guards are refused by the iptables backend`() {
    let error = #expect(throws: KernelError.self) { try plan(.guardSource(SourceGuard(.any, mac: .random()))) }
    #expect(error?.errno == .EOPNOTSUPP)
    #expect(error?.description.contains("needs the nftables backend") == true)
  }

  @Test(arguments: [
    "PREROUTING", "ACCEPT", "CNI-PORTS", "CNI-NAMES", "a b", "a\nb", "", "-x", "a234567890123456789012345678b",
  ])
  func `a chain name that the caller must not use is refused`(name: String) {
    let error = #expect(throws: KernelError.self) { try plan(port { $0.chain = name }) }
    #expect(error?.errno == .EINVAL)
    #expect(error?.description.contains("chain \(name): want a name") == true)
  }

  @Test func `a mark has only 32 bits`() {
    let path = ReturnPath(subnet: IPPrefix("10.1.0.0/16") ?? .everything(.v4), link: .any, marking: .bit(32))
    #expect(throws: KernelError.self) { try plan(port { $0.masquerade = path }) }
  }

  @Test(arguments: ["CNI-ADMIN", "CNI-HOSTPORT-DNAT", "CNI-DN-0123456789abcdef01234", "KUBE-X", "DOCKER"])
  func `chains of other programs are not taken for ours`(name: String) { #expect(!Layout.isOurs(name)) }
}
