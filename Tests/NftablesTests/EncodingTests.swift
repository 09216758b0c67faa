import NetTypes
import Netfilter
import PacketFilter
import Testing
@testable import Nftables

/// Changes as messages to the kernel.
@Suite struct EncodingTests {
  private static let ports = FamilySets(.v4).ports

  private static func port(_ number: UInt16) throws -> Element {
    Element(
      set: ports, key: [.transport(.tcp), .port(number)],
      value: .fields([.address(try #require(IPAddress("10.0.0.1"))), .port(8080)]), comment: "tag ports")
  }

  @Test func `messages have the attributes that nft sends`() throws {
    let changes: [RulesetChange] = [
      .addSet(FamilySets(.v6).links), .addSet(Self.ports), .addSet(Layout.owners),
      .addChain(.inet, "prerouting", Layout.Hook(.nat, .prerouting, -90)),
      .addRule(.inet, "c", [.link(.incoming, ["br0", "vx0"]), .established, .returnToCaller]),
      .addRule(.inet, "c", [.sourceWithoutSubnet, .returnToCaller]), .deleteElement(try Self.port(80)),
    ]
    let messages = ChangeMessages(changes).messages
    #expect(messages.map { hex($0.attributes.all) } == Self.sentByNft)
    #expect(
      messages.map { $0.flags | 1 } == [0x401, 0x401, 0x401, 0x401, 0x401, 0x401, 0xc01, 0x401, 0x401, 0xc01, 0x1])
    #expect(messages.allSatisfy { $0.family == 1 })
  }

  @Test func `a message is found to be of the change that sent it`() throws {
    let changes: [RulesetChange] = [
      .addTable(.inet), .addRule(.inet, "c", [.otherTransport([.tcp, .udp]), .drop]), .deleteChain(.inet, "c"),
    ]
    let batch = ChangeMessages(changes)
    #expect(batch.messages.map(\.kind) == [.newTable, .newSet, .newSetElements, .newRule, .deleteChain])
    #expect(batch.changes == [0, 1, 1, 1, 2])
    #expect(batch.messages.map(\.isDeletion) == [false, false, false, false, true])
  }

  @Test func `creating an element fails if there is one, adding it does not`() throws {
    let element = try Self.port(80)
    let messages = ChangeMessages([.createElement(element), .addElement(element), .deleteElement(element)]).messages
    #expect(messages.map(\.flags) == [0x600, 0x400, 0])
    #expect(messages[0].attributes == messages[1].attributes)
    #expect(messages[2].attributes.all.count < messages[0].attributes.all.count)
  }

  @Test func `deleting the rules of a chain is no deletion, deleting one rule is`() {
    let messages = ChangeMessages([.flushChain(.inet, "c"), .deleteRule(.inet, "c", handle: 5)]).messages
    #expect(messages.map(\.kind) == [.deleteRule, .deleteRule])
    #expect(messages.map(\.isDeletion) == [false, true])
  }

  @Test func `a set is deleted only if it has no elements`() throws {
    let message = try #require(ChangeMessages([.deleteSet(Self.ports)]).messages.first)
    #expect(message.kind == .deleteSet)
    #expect(message.flags == NftMessage.Flags.nonRecursive)
    #expect(message.isDeletion)
    #expect(RulesetChange.deleteSet(Self.ports).text == "delete map inet swift_cni ports4")
    #expect(RulesetChange.deleteSet(FamilySets(.v4).links).text == "delete set inet swift_cni links4")
  }

  @Test(arguments: [
    (8, "ff", false), (16, "ff00", false), (9, "ff000000", true), (32, "ff000001", false), (0, "00000000", true),
  ])
  func `a prefix that ends with a byte is compared without a mask`(length: Int, value: String, isMasked: Bool) throws {
    let prefix = try #require(IPPrefix("255.0.0.1/\(length)")).network
    let encoder = RuleEncoder([.prefix(.source, prefix), .drop], in: .inet, firstSetNumber: 1)
    let names = NftAnswer.list(encoder.expressions.attributes.all[...]).map { NftAnswer($1) }
    #expect(
      names.map { $0.text(.expressionName) }
        == ["meta", "cmp", "payload"] + (isMasked ? ["bitwise"] : []) + ["cmp", "immediate"])
    let comparison = names.dropLast().last?.nested(.expressionData)?.nested(.compareData)
    #expect(comparison?[.value].map { hex(Array($0)) } == value)
  }

  @Test func `only a rule with words of an operator needs libnftables`() {
    let rule: NftRule = [.conditions("ip saddr 10.0.0.0/8"), .drop]
    #expect(rule.text == "ip saddr 10.0.0.0/8 drop")
    #expect(RulesetChange.addRule(.inet, "c", rule).needsLibrary)
    #expect(Layout.declaration(Layout.Part.allCases).allSatisfy { !$0.needsLibrary })
  }

  private static let sentByNft = [
    "0e00010073776966745f636e690000000b0002006c696e6b733600000800030000000000080004000020830d08000500"
      + "0000002808000a000000000114000d00000400000000030800040d0000000100",
    "0e00010073776966745f636e690000000b000200706f7274733400000800030000000008080004000000030d08000500"
      + "0000000808000600000001cd080007000000000808000a00000000022a000d0000040000000001040000000003080004"
      + "0d0000000100040800040d00000001000604000000000000",
    "0e00010073776966745f636e690000000b0002006f776e65727300000800030000000008080004000000002908000500"
      + "0000001008000600ffffff00080007000000000008000a000000000316000d0000040100000001040000000006040000"
      + "00000000",
    "0e00010073776966745f636e690000000f000300707265726f7574696e670000080007006e6174001400048008000100"
      + "0000000008000200ffffffa6",
    "0e00010073776966745f636e690000000c0002005f5f7365742564000800030000000003080004000000002908000500"
      + "0000001008000a00000000040c00098008000100000000021a000d00000401000000030e000409000000010600040600"
      + "00000000",
    "0e00010073776966745f636e690000000c0002005f5f73657425640008000400000000043c0003801c00018018000180"
      + "14000100627230000000000000000000000000001c000280180001801400010076783000000000000000000000000000",
    "0e00010073776966745f636e6900000006000200630000001801048024000180090001006d6574610000000014000280"
      + "08000200000000060800010000000001300001800b0001006c6f6f6b757000002000028008000200000000010c000100"
      + "5f5f73657425640008000400000000042000018007000100637400001400028008000200000000000800010000000001"
      + "440001800c0001006269747769736500340002800800010000000001080002000000000108000300000000040c000480"
      + "08000100060000000c00058008000100000000002c00018008000100636d700020000280080001000000000108000200"
      + "000000010c0003800800010000000000300001800e000100696d6d6564696174650000001c0002800800010000000000"
      + "100002800c00028008000100fffffffb",
    "0e00010073776966745f636e690000000c0002005f5f7365742564000800030000000007080004000000000808000500"
      + "0000001008000a00000000050c000980080001000000000426000d000004020000000204010000000314000407000000"
      + "010c00040d0000000104080000000000",
    "0e00010073776966745f636e690000000c0002005f5f7365742564000800040000000005840003801c00018018000180"
      + "140001000000000000000000000000000000000024000280080003000000000118000180140001000000000000000000"
      + "00000000000000011c0003801800018014000100fe800000000000000000000000000000240004800800030000000001"
      + "1800018014000100fec00000000000000000000000000000",
    "0e00010073776966745f636e690000000600020063000000e800048024000180090001006d6574610000000014000280"
      + "080002000000000f08000100000000012c00018008000100636d70002000028008000100000000010800020000000000"
      + "0c000380050001000a000000340001800c0001007061796c6f6164002400028008000100000000010800020000000001"
      + "08000300000000080800040000000010300001800b0001006c6f6f6b757000002000028008000200000000010c000100"
      + "5f5f7365742564000800040000000005300001800e000100696d6d6564696174650000001c0002800800010000000000"
      + "100002800c00028008000100fffffffb",
    "0e00010073776966745f636e690000000b000200706f7274733400001800038014000180100001800c00010006000000"
      + "00500000",
  ]
}

private func hex(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
