import NetTypes
import PacketFilter
import Testing
import TestSupport
@testable import Iptables

/// The output of `iptables-legacy-save` for each kind of rule.
@Suite(.needsKernel) struct IptablesRuleTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var rules: [Rule]
    var table: String
    var family = IPFamily.v4
    /// The rule, without `-A` and the owner's comment.
    var saved: String
    var testDescription: String { "\(rules)" }
  }

  static let isolation = Layout.isolationChain(name("br0"), .network)
  static let service = Layout.serviceChain(ip("10.1.0.1"))
  static let links = Layout.linksChain(name("br0"))

  static let cases: [Case] = [
    Case(
      rules: [masquerade("10.1.0.2", isRandom: true)], table: "nat",
      saved: """
        POSTROUTING -m comment --comment "cni: outbound" -j CNI-OUTBOUND
        CNI-M-X -d 10.1.0.0/24 -j RETURN
        CNI-M-X -d 224.0.0.0/4 -j RETURN
        CNI-M-X -j MASQUERADE --random-fully
        CNI-OUTBOUND -s 10.1.0.0/24 -m comment --comment "cni:n/" -j CNI-M-X
        CNI-OWNERS -s 10.1.0.2/32 TAG -j CNI-M-X
        """),
    Case(
      rules: [published(8080, to: "fd00::2")], table: "nat", family: .v6,
      saved: """
        PREROUTING ! -d ::1/128 -m addrtype --dst-type LOCAL -m comment --comment "cni: published ports" -j CNI-PORTS
        OUTPUT -m addrtype --dst-type LOCAL -m comment --comment "cni: published ports" -j CNI-PORTS
        POSTROUTING -m comment --comment "cni: outbound" -j CNI-OUTBOUND
        CNI-OUTBOUND -s ::1/128 -d fd00::/64 -m conntrack --ctstate DNAT -m comment --comment "cni: return path" -j MASQUERADE
        CNI-OUTBOUND -s fd00::/64 -d fd00::/64 -m conntrack --ctstate DNAT -m comment --comment "cni: return path" -j MASQUERADE
        CNI-PORTS -p tcp -m tcp --dport 8080 TAG -j DNAT --to-destination [fd00::2]:80
        """),
    Case(
      rules: [
        published(80, to: "10.1.0.2") {
          $0.hostIP = ip("192.0.2.1")
          $0.transport = .sctp
          $0.masquerade?.marking = .bit(13)
          $0.conditions = ["!", "-s", "10.0.0.0/8"]
          $0.excludedDevices = [name("a"), name("b")]
          $0.chain = "MESOS"
        }
      ], table: "nat",
      saved: """
        PREROUTING ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -m comment --comment "cni: published ports" -j CNI-PORTS
        OUTPUT -m addrtype --dst-type LOCAL -m comment --comment "cni: published ports" -j CNI-PORTS
        POSTROUTING -m comment --comment "cni: outbound" -j CNI-OUTBOUND
        CNI-OUTBOUND -m mark --mark 0x2000/0x2000 -m comment --comment "cni: marked" -j MASQUERADE
        CNI-P-X -i a TAG -j RETURN
        CNI-P-X -i b TAG -j RETURN
        CNI-P-X ! -s 10.0.0.0/8 -d 192.0.2.1/32 -p sctp -m sctp --dport 80 -m iprange --src-range 10.1.0.0-10.1.0.255 TAG -j MARK --set-xmark 0x2000/0x2000
        CNI-P-X ! -s 10.0.0.0/8 -d 192.0.2.1/32 -p sctp -m sctp --dport 80 -m iprange --src-range 127.0.0.0-127.255.255.255 TAG -j MARK --set-xmark 0x2000/0x2000
        CNI-P-X ! -s 10.0.0.0/8 -d 192.0.2.1/32 -p sctp -m sctp --dport 80 TAG -j DNAT --to-destination 10.1.0.2:80
        CNI-PORTS -m comment --comment "cni: published ports" -j MESOS
        MESOS ! -s 10.0.0.0/8 -d 192.0.2.1/32 -p sctp -m sctp --dport 80 TAG -j CNI-P-X
        """),
    Case(
      rules: [
        .float(FloatingAddress(ip("192.0.2.9"), to: ip("10.1.0.2"), link: name("br0"), subnet: net("10.1.0.0/24")))
      ], table: "nat",
      saved: """
        PREROUTING -m comment --comment "cni: floating addresses" -j CNI-FLOATING
        OUTPUT -m comment --comment "cni: floating addresses" -j CNI-FLOATING
        POSTROUTING -m comment --comment "cni: outbound" -j CNI-OUTBOUND
        CNI-FLOATING -d 192.0.2.9/32 TAG -j DNAT --to-destination 10.1.0.2
        CNI-OUTBOUND -s 10.1.0.0/24 -d 10.1.0.2/32 -m conntrack --ctstate DNAT TAG -j MASQUERADE
        CNI-OUTBOUND -s 10.1.0.2/32 ! -d 10.1.0.0/24 -m addrtype ! --dst-type MULTICAST TAG -j SNAT --to-source 192.0.2.9
        """),
    Case(
      rules: [published(80, to: "10.1.0.2"), published(81, to: "10.1.0.2")], table: "filter",
      saved: """
        INPUT -d 127.0.0.0/8 ! -i lo -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -m comment --comment "cni: loopback guard" -j CNI-LOOPBACK
        CNI-LOOPBACK -j DROP
        """),
    Case(
      rules: [.admit(Admission(ip("10.1.0.2"), adminChain: "CNI-ADMIN"))], table: "filter",
      saved: """
        FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD
        CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN
        CNI-FORWARD -d 10.1.0.2/32 -m conntrack --ctstate RELATED,ESTABLISHED TAG -j ACCEPT
        CNI-FORWARD -s 10.1.0.2/32 -m comment --comment "cni:n/c1/eth0 network CNI-ADMIN" -j ACCEPT
        """),
    Case(
      rules: [
        .isolate(Isolation(name("br0"), reach: .outside, separatesContainers: true)),
        .link(AllowedConnection(name("br0"), from: ip("fd00::2"), to: ip("fd00::3"), .udp, 53)),
      ], table: "filter", family: .v6,
      saved: """
        FORWARD -m comment --comment "cni: isolation" -j CNI-ISOLATION
        \(isolation) -i br0 -o br0 -j \(links)
        \(isolation) -i br0 -o br0 -j RETURN
        \(isolation) -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j RETURN
        \(isolation) -o br0 -j RETURN
        \(isolation) -j CNI-ISOLATED
        CNI-ISOLATED -o br0 -j DROP
        CNI-ISOLATION -o br0 -j \(isolation)
        CNI-ISOLATION -i br0 ! -o br0 -j \(isolation)
        \(links) -s fd00::2/128 -d fd00::3/128 -p udp -m udp --dport 53 TAG -j RETURN
        \(links) -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j RETURN
        \(links) -j DROP
        CNI-OWNERS TAG -j \(isolation)
        """),
    Case(
      rules: [.isolate(Isolation(name("br0"), reach: .closed))], table: "filter",
      saved: """
        FORWARD -m comment --comment "cni: isolation" -j CNI-ISOLATION
        \(isolation) -i br0 -o br0 -j RETURN
        \(isolation) -j DROP
        CNI-ISOLATED -o br0 -j DROP
        CNI-ISOLATION -o br0 -j \(isolation)
        CNI-ISOLATION -i br0 ! -o br0 -j \(isolation)
        CNI-OWNERS TAG -j \(isolation)
        """),
    Case(
      rules: [.isolate(Isolation(name("br0"), partner: name("vx0"), reach: .network, separatesContainers: true))],
      table: "filter",
      saved: """
        FORWARD -m comment --comment "cni: isolation" -j CNI-ISOLATION
        \(isolation) -i br0 -o br0 -j \(links)
        \(isolation) -i br0 -o br0 -j RETURN
        \(isolation) -i br0 -o vx0 -j \(links)
        \(isolation) -i br0 -o vx0 -j RETURN
        \(isolation) -i vx0 -o br0 -j \(links)
        \(isolation) -i vx0 -o br0 -j RETURN
        \(isolation) -i vx0 -o vx0 -j \(links)
        \(isolation) -i vx0 -o vx0 -j RETURN
        \(isolation) -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j RETURN
        \(isolation) -o br0 -j DROP
        \(isolation) -o vx0 -j DROP
        \(isolation) -m devgroup --dst-group 0x636e69 -j DROP
        \(isolation) -j CNI-ISOLATED
        CNI-ISOLATED -o br0 -j DROP
        CNI-ISOLATED -o vx0 -j DROP
        CNI-ISOLATION -o br0 -j \(isolation)
        CNI-ISOLATION -i br0 ! -o br0 -j \(isolation)
        CNI-ISOLATION -o vx0 -j \(isolation)
        CNI-ISOLATION -i vx0 ! -o vx0 -j \(isolation)
        \(links) -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j RETURN
        \(links) -j DROP
        CNI-OWNERS TAG -j \(isolation)
        """),
    Case(
      rules: [
        .isolate(
          Isolation(
            name("br0"), directPrefixes: [net("10.5.1.0/16"), net("fd00::/48")], reach: .closed,
            separatesContainers: true))
      ], table: "filter",
      saved: """
        FORWARD -m comment --comment "cni: isolation" -j CNI-ISOLATION
        \(isolation) -i br0 -o br0 -j \(links)
        \(isolation) -i br0 -o br0 -j RETURN
        \(isolation) -o br0 -m devgroup --src-group 0x636e69 -j DROP
        \(isolation) -s 10.5.0.0/16 -o br0 -j \(links)
        \(isolation) -s 10.5.0.0/16 -o br0 -j RETURN
        \(isolation) -m devgroup --dst-group 0x636e69 -j DROP
        \(isolation) -j CNI-ISOLATED
        \(isolation) -d 10.5.0.0/16 -i br0 -j \(links)
        \(isolation) -d 10.5.0.0/16 -i br0 -j RETURN
        \(isolation) -j DROP
        CNI-ISOLATED -o br0 -j DROP
        CNI-ISOLATION -o br0 -j \(isolation)
        CNI-ISOLATION -i br0 ! -o br0 -j \(isolation)
        \(links) -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j RETURN
        \(links) -j DROP
        CNI-OWNERS TAG -j \(isolation)
        """),
    Case(
      rules: [.serve(NameService(name("br0"), address: ip("10.1.0.1")))], table: "filter",
      saved: """
        INPUT -p tcp -m tcp --dport 53 -m comment --comment "cni: name servers" -j CNI-NAMES
        INPUT -p udp -m udp --dport 53 -m comment --comment "cni: name servers" -j CNI-NAMES
        \(service) -i br0 -j ACCEPT
        \(service) ! -i lo -j DROP
        CNI-NAMES -d 10.1.0.1/32 -j \(service)
        CNI-OWNERS TAG -j \(service)
        """),
  ]

  @Test(arguments: cases)
  func `a rule looks as expected, survives iptables-restore, is found again and removed completely`(it: Case) throws {
    let (saved, missing, before, after) = try IptablesLab.run { lab in
      let before = try lab.everything()
      let backend = lab.backend
      let ruleSet = RuleSet(owner("c1"), .network, it.rules)
      try backend.add(ruleSet)
      let saved = try lab.rules(it.table, it.family)
      try lab.shell(
        "iptables-legacy-save | iptables-legacy-restore -t; ip6tables-legacy-save | ip6tables-legacy-restore -t")
      let missing = try backend.missing(from: ruleSet)
      try backend.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: it.rules)
      return (saved, missing, before, try lab.everything())
    }
    let wanted = it.saved.split(separator: "\n").map {
      "-A " + $0.replacing("TAG", with: "-m comment --comment \"cni:n/c1/eth0 network\"")
    }
    #expect(saved.map { $0.replacing(/CNI-([MP])-[a-z2-7]{13}/) { "CNI-\($0.1)-X" } } == wanted)
    #expect(missing.isEmpty)
    #expect(after == before)
  }

  @Test func `comments and names cannot inject rules`() throws {
    let text = "x\" -j DROP\n-A FORWARD -j DROP; é\\ '"
    let (saved, after) = try IptablesLab.run { lab in
      let backend = lab.backend
      let rule = published(80, to: "10.1.0.2") { $0.conditions = ["-m", "comment", "--comment", text] }
      try backend.add(RuleSet(owner("c1"), .ports, [rule]))
      let saved = try lab.shell("iptables-legacy -t nat -S CNI-PORTS; iptables-legacy -S FORWARD")
      try backend.remove(owner("c1").filterTag, .ports, recordedRules: nil)
      return (saved, try lab.rules("nat"))
    }
    #expect(saved.split(separator: "\n").filter { $0.hasPrefix("-A CNI-PORTS") }.count == 1)
    #expect(saved.hasSuffix("-P FORWARD ACCEPT\n"))
    #expect(after.isEmpty)
  }
}
