import NetTypes
import Netfilter
import PacketFilter
import Testing
@testable import Iptables

/// Rules encoded as nf_tables expressions and decoded again.
struct NftEncodingTests {
  static var rules: [TableRule] {
    var forwarded = TableRule(.v4, .replies, .comment("cni: x"), target: .accept)
    forwarded.source = Test(IPPrefix("10.1.0.0/20") ?? .everything(.v4), isNegated: true)
    forwarded.destination = Test(IPPrefix("10.2.0.0/16") ?? .everything(.v4))
    forwarded.inDevice = Test(Device(InterfaceName("eth0") ?? .any), isNegated: true)
    forwarded.outDevice = Test(Device(pattern: "br+") ?? Device(.any))
    var six = TableRule(.v6, .port(.udp, 53), target: .jump("CNI-NAMES"))
    six.transport = .udp
    six.destination = Test(IPPrefix("fd00::1/128") ?? .everything(.v6))
    var marked = TableRule(
      .v6, .mark(Test(Masked(0x10, mask: 0xFF), isNegated: true)),
      .addressType(source: nil, destination: Test(.local)), target: .mark(Masked(1, mask: 1)))
    marked.source = Test(IPPrefix("fd00::/61") ?? .everything(.v6))
    return [
      EncodingTests.rule, forwarded, six, marked, TableRule(.v4, target: .drop),
      TableRule(.v4, target: .returnToCaller),
      TableRule(.v4, target: .masquerade(isRandom: true)), TableRule(.v6, target: .source(IPAddress(v6: 5))),
    ]
  }

  @Test(arguments: rules.indices)
  func `a rule is the same after nf_tables returns it`(index: Int) throws {
    let rule = Self.rules[index]
    let attributes = NftExpressions.attributes(rule.family, rule.bytes).all
    let expressions = try #require(NftAnswer(attributes[...])[.ruleExpressions])
    let read = NftEntry.rule(rule.family, expressions: expressions)
    #expect(read.key == rule.key)
    #expect(read.target == rule.target.name)
  }

  @Test func `a port that iptables writes without an extension is read as with one`() {
    var rule = TableRule(.v4, .port(.tcp, 80), target: .accept)
    rule.transport = .tcp
    var list = NftAttributes()
    func put(_ name: String, _ fill: @escaping (inout NftAttributes) -> Void) {
      list.nest(.listElement) {
        $0.put(.expressionName, name)
        $0.nest(.expressionData, fill)
      }
    }
    func compare(_ value: [UInt8]) {
      put("cmp") {
        $0.put(.compareOperation, UInt32(0))
        $0.nest(.compareData) { $0.put(.value, value) }
      }
    }
    put("meta") { $0.put(.metaKey, NftCode.transport) }
    compare([6])
    put("payload") {
      $0.put(.payloadBase, NftCode.transportHeader)
      $0.put(.payloadOffset, UInt32(2))
      $0.put(.payloadLength, UInt32(2))
    }
    compare([0, 80])
    put("immediate") { $0.nest(.immediateData) { $0.nest(.verdict) { $0.put(.verdictCode, UInt32(1)) } } }
    #expect(NftEntry.rule(.v4, expressions: list.all[...]).key == rule.key)
  }

  @Test func `a rule with an unknown expression is not taken for ours`() {
    let rule = TableRule(.v4, target: .accept)
    var list = NftAttributes()
    list.nest(.listElement) { $0.put(.expressionName, "limit") }
    list.append(Array(NftAnswer(NftExpressions.attributes(.v4, rule.bytes).all[...])[.ruleExpressions] ?? []))
    let read = NftEntry.rule(.v4, expressions: list.all[...])
    #expect(read.key != rule.key)
    #expect(read.target == "ACCEPT")
  }
}
