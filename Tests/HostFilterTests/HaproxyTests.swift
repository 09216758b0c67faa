import NetTypes
import PacketFilter
import TestSupport
import Testing
@testable import HostFilter

/// The configuration and the state of a service's haproxy.
@Suite struct HaproxyTests {
  private static func member(_ target: IPAddress, port: UInt16 = 80, weight: Int = 1) -> BackEnd {
    var backEnd = BackEnd(
      of: "web", "10.5.255.10", .tcp, port, .roundRobin, to: target, 8080, in: "10.5.0.0/24", weight: weight)
    backEnd.proxy = ServiceProxy()
    return backEnd
  }

  private static func config(_ members: [BackEnd], present: [String: [HaproxyConfig.Slot?]] = [:]) -> HaproxyConfig {
    HaproxyConfig("web", members, present: present)
  }

  private static func text(_ members: [BackEnd]) -> [String] {
    config(members).text(pidFile: "/p", socket: "/s").split(separator: "\n").map { String($0.drop { $0 == " " }) }
  }

  /// What haproxy prints when it has started with that configuration.
  private static func state(of config: HaproxyConfig) -> HaproxyState {
    let lines = config.fronts.flatMap { front in
      front.slots.map { slot in
        "2 \(front.name) 1 s1 \(slot?.address.description ?? "0.0.0.0") \(slot == nil ? "0 5" : "2 0") "
          + "\(slot?.weight ?? 1) 1 1 8 2 0 6 0 0 0 - \(slot?.port ?? 1) - 0 0 - - 0"
      }
    }
    return HaproxyState("1\n# be_id be_name\n" + lines.joined(separator: "\n") + "\n\n")
  }

  @Test func `each address and port has its members in slots, and free slots for others`() {
    let text = Self.text([
      Self.member("10.5.0.3", weight: 7), Self.member("10.5.0.2"), Self.member("10.5.0.2", port: 81),
    ])
    let binds = [80, 81].map { "bind 10.5.255.10:\($0) transparent" }
    #expect(text.filter { $0.hasPrefix("bind") }.sorted() == binds)
    #expect(text.count { $0 == "server s1 10.5.0.2:8080 weight 1" } == 2)
    #expect(text.contains("server s2 10.5.0.3:8080 weight 7") && text.contains("balance roundrobin"))
    #expect(text.count { $0.hasPrefix("server ") } == 16 && text.count { $0.hasSuffix(" disabled") } == 13)
  }

  @Test func `mode, certificate, health check and scheduler are in the text`() {
    var member = Self.member("10.5.0.2")
    member.scheduler = .source
    member.health = HealthCheck(82, path: "/it's")
    member.proxy?.mode = .http
    member.proxy?.certificate = "/a b.pem"
    let text = Self.text([member])
    for line in [
      "mode http", "option forwardfor", "balance source", "hash-type consistent",
      "bind 10.5.255.10:80 transparent ssl crt '/a b.pem' alpn h2,http/1.1",
      "default-server check inter 5s fall 2 rise 1 port 82", "timeout check 2s",
      #"http-check send meth GET uri '/it'\''s' ver HTTP/1.1 hdr Host web hdr Connection close"#,
    ] { #expect(text.contains(line), "\(line)") }
    member.address = nil
    member.proxy?.mode = .tcp
    #expect(Self.text([member]).contains("bind 0.0.0.0:80 ssl crt '/a b.pem'"))
  }

  @Test func `members keep their slots, and the commands change only what differs`() {
    let old = Self.config(["10.5.0.2", "10.5.0.3", "10.5.0.4"].map { Self.member($0) })
    let state = Self.state(of: old)
    #expect(state.isUpToDate(old) && state.commands(for: old).isEmpty)
    let new = Self.config(
      [Self.member("10.5.0.1"), Self.member("10.5.0.2"), Self.member("10.5.0.4", weight: 5)], present: state.slots)
    let name = new.fronts[0].name
    #expect(state.hasShape(of: new) && !state.isUpToDate(new))
    #expect(
      state.commands(for: new) == [
        "set server \(name)/s2 addr 10.5.0.1 port 8080; set server \(name)/s2 weight 1; set server \(name)/s2 state ready",
        "set server \(name)/s3 weight 5",
      ])
    let less = Self.config([Self.member("10.5.0.2")], present: state.slots)
    #expect(
      state.commands(for: less)
        == [2, 3].map {
          "set server \(name)/s\($0) state maint; shutdown sessions server \(name)/s\($0)"
        })
  }

  @Test func `a ninth member needs another configuration, in which the others keep their slots`() {
    let old = Self.config((1...8).compactMap { IPAddress(.v4, 0x0A05_0010 + $0) }.map { Self.member($0) })
    let state = Self.state(of: old)
    let new = Self.config(
      (0...8).compactMap { IPAddress(.v4, 0x0A05_0010 + $0) }.map { Self.member($0) }, present: state.slots)
    #expect(!state.hasShape(of: new) && new.fronts[0].slots.count == 16)
    #expect(Array(new.fronts[0].slots.prefix(8)) == old.fronts[0].slots)
  }

  @Test func `other settings make another front`() {
    var member = Self.member("10.5.0.2")
    var names = [member.frontName]
    member.proxy?.mode = .http
    names.append(member.frontName)
    member.proxy?.certificate = "/x"
    names.append(member.frontName)
    member.health = HealthCheck(80)
    names.append(member.frontName)
    member.proxy = nil
    names.append(member.frontName)
    #expect(Set(names).count == 5)
  }
}
