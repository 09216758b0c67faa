import CNI
import NetTypes
import PacketFilter
import Testing
@testable import Iptables

/// Plans as `iptables` commands, for empty tables.
@Suite struct RuleCommandTests {
  private var owner: AttachmentID {
    get throws {
      AttachmentID(network: try #require(NetworkName("n")), container: try #require(ContainerID("c")), interface: .any)
    }
  }

  private func lines(_ rules: Rule...) throws -> [String] {
    let plan = try TablePlan.of(RuleSet(try owner, .ports, rules), families: [.v4])
    return plan.tables.flatMap { name in
      var commands = RuleCommands(name, nil, nil)
      for item in plan.items[name] ?? [] { commands.make(item) }
      return commands.lines
    }
  }

  @Test func `a published port becomes these commands`() throws {
    let subnet = try #require(IPPrefix("10.1.0.0/24"))
    var port = PublishedPort(
      .tcp, hostIP: .v4("192.0.2.1"), hostPort: 8080, to: .v4("10.1.0.2"), 80,
      masquerade: ReturnPath(subnet: subnet, link: .any))
    port.conditions = ["!", "-s", "10.0.0.0/8", "-m", "mark", "--mark", "0x1/0xff"]
    let found = try lines(.publish(port)), mark = Layout.ownerComment(try owner.filterTag, .ports)
    #expect(
      found == [
        "iptables -w -t nat -N CNI-PORTS 2>/dev/null || true",
        "iptables -w -t nat -C PREROUTING ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -m comment --comment 'cni: published ports' -j CNI-PORTS 2>/dev/null || iptables -w -t nat -A PREROUTING ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -m comment --comment 'cni: published ports' -j CNI-PORTS",
        "iptables -w -t nat -C OUTPUT -m addrtype --dst-type LOCAL -m comment --comment 'cni: published ports' -j CNI-PORTS 2>/dev/null || iptables -w -t nat -A OUTPUT -m addrtype --dst-type LOCAL -m comment --comment 'cni: published ports' -j CNI-PORTS",
        "iptables -w -t nat -N CNI-OUTBOUND 2>/dev/null || true",
        "iptables -w -t nat -C POSTROUTING -m comment --comment 'cni: outbound' -j CNI-OUTBOUND 2>/dev/null || iptables -w -t nat -A POSTROUTING -m comment --comment 'cni: outbound' -j CNI-OUTBOUND",
        "iptables -w -t nat -C CNI-OUTBOUND -s 10.1.0.0/24 -d 10.1.0.0/24 -m conntrack --ctstate DNAT -m comment --comment 'cni: return path' -j MASQUERADE 2>/dev/null || iptables -w -t nat -I CNI-OUTBOUND -s 10.1.0.0/24 -d 10.1.0.0/24 -m conntrack --ctstate DNAT -m comment --comment 'cni: return path' -j MASQUERADE",
        "iptables -w -t nat -C CNI-OUTBOUND -s 127.0.0.0/8 -d 10.1.0.0/24 -m conntrack --ctstate DNAT -m comment --comment 'cni: return path' -j MASQUERADE 2>/dev/null || iptables -w -t nat -I CNI-OUTBOUND -s 127.0.0.0/8 -d 10.1.0.0/24 -m conntrack --ctstate DNAT -m comment --comment 'cni: return path' -j MASQUERADE",
        "iptables -w -t nat -A CNI-PORTS -p tcp ! -s 10.0.0.0/8 -d 192.0.2.1/32 -m tcp --dport 8080 -m mark --mark 0x1/0xff -m comment --comment '\(mark)' -j DNAT --to-destination 10.1.0.2:80",
        "iptables -w -t filter -N CNI-LOOPBACK 2>/dev/null || true",
        "iptables -w -t filter -F CNI-LOOPBACK",
        "iptables -w -t filter -A CNI-LOOPBACK -j DROP",
        "iptables -w -t filter -C INPUT -d 127.0.0.0/8 ! -i lo -m conntrack ! --ctstate DNAT,ESTABLISHED,RELATED -m comment --comment 'cni: loopback guard' -j CNI-LOOPBACK 2>/dev/null || iptables -w -t filter -I INPUT -d 127.0.0.0/8 ! -i lo -m conntrack ! --ctstate DNAT,ESTABLISHED,RELATED -m comment --comment 'cni: loopback guard' -j CNI-LOOPBACK",
      ])
  }

  @Test func `the commands insert admission and isolation at the same place as add`() throws {
    let found = try lines(.isolate(Isolation(.any, reach: .closed)), .admit(Admission(.v4("10.1.0.2"))))
    #expect(
      found.filter { $0.contains(" FORWARD ") } == [
        "iptables -w -t filter -C FORWARD -m comment --comment 'cni: isolation' -j CNI-ISOLATION 2>/dev/null || iptables -w -t filter -I FORWARD -m comment --comment 'cni: isolation' -j CNI-ISOLATION",
        "iptables -w -t filter -C FORWARD -m comment --comment 'CNI firewall plugin rules' -j CNI-FORWARD 2>/dev/null || iptables -w -t filter -I FORWARD 2 -m comment --comment 'CNI firewall plugin rules' -j CNI-FORWARD",
      ])
  }
}
