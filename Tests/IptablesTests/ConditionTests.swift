import NetTypes
import Testing
@testable import Iptables

struct ConditionTests {
  private func rule(_ text: String) throws -> TableRule {
    var rule = TableRule(.v4, target: .returnToCaller)
    var conditions = ConditionParser(text.split(separator: " ").map(String.init))
    try conditions.add(to: &rule)
    return rule
  }

  @Test func `iptables arguments become matches`() throws {
    var wanted = TableRule(.v4, target: .returnToCaller)
    wanted.source = Test(IPPrefix("10.0.0.0/8") ?? .everything(.v4))
    wanted.destination = Test(IPPrefix(host: .v4("192.0.2.1")), isNegated: true)
    wanted.inDevice = Device(pattern: "eth+").map { Test($0) }
    wanted.matches = [
      .mark(Test(Masked(0x10, mask: 0xFF))), .states(Test([.new, .related], isNegated: true)),
      .ranges(source: nil, destination: Test(.v4("1.2.3.4")...IPAddress.v4("1.2.3.9"))),
    ]
    #expect(
      try rule(
        "-s 10.0.0.0/8 ! --dst 192.0.2.1 -i eth+ -m mark --mark 0x10/0xff -m conntrack ! --ctstate NEW,RELATED "
          + "-m iprange --dst-range 1.2.3.4-1.2.3.9") == wanted)
  }

  @Test(arguments: [
    ("-p tcp", "-p: want"), ("-j ACCEPT", "-j: want"), ("-s", "-s: no value follows"), ("!", "!: no value follows"),
    ("-s fd00::1", "-s fd00::1: want an IPv4 address"), ("-s 1.2.3.4 -s 1.2.3.5", "-s: given twice"),
    ("-i a/b", "-i a/b: want an interface name"), ("-o eth0", "-o: not possible"), ("-m u32", "-m u32: want"),
    ("--mark 1", "--mark: want -m mark before it"), ("-m mark --mark x", "--mark x: not a valid value"),
    ("-m addrtype --src-type local", "--src-type local: not a valid value"),
    ("-m conntrack --ctstate ", "--ctstate: no value"),
    ("-m iprange --src-range 1.2.3.9-1.2.3.4", "--src-range 1.2.3.9-1.2.3.4: not a valid value"),
    ("! -m mark", "-m: want"),
  ])
  func `an invalid condition is refused`(text: String, start: String) throws {
    let error = #expect(throws: ConditionError.self) { try rule(text) }
    #expect(error.map { "\($0)" }?.hasPrefix(start) == true, "\(error.map { "\($0)" } ?? "")")
  }
}
