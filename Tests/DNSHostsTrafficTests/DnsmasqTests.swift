import CNI
import LabSupport
import Testing

// Group: end-to-end

/// Debian's dnsmasq with the shipped configuration, queried by containers.
@Suite(.needsRoot) struct DnsmasqTests {
  @Test(arguments: [
    ("web", "A", "10.102.0.2"), ("web.shop", "A", "10.102.0.2"), ("www", "A", "10.102.0.2"),
    ("web", "AAAA", "fd00:10:102::2"), ("web.shop", "AAAA", "fd00:10:102::2"), ("db.shop", "A", "10.102.0.3"),
    ("2.0.102.10.in-addr.arpa", "PTR", "web.shop"),
    ("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.1.0.0.1.0.0.0.0.d.f.ip6.arpa", "PTR", "web.shop"),
    ("nobody.shop", "A", "NXDOMAIN"),
  ])
  func `a container resolves other names by UDP and TCP over IPv4 and IPv6`(
    name: String, kind: String, wanted: String
  ) throws {
    try DnsmasqLab.use(containers: 2, ["shop"]) { net in
      try net.join(1, "shop", as: "web", aliases: ["www"])
      let result = try net.join(2, "shop", as: "db")
      #expect(result.list("dns.nameservers") == ["10.102.0.1", "fd00:10:102::1"])
      for (transport, server) in [
        ("udp", "10.102.0.1"), ("tcp", "10.102.0.1"), ("udp", "fd00:10:102::1"), ("tcp", "fd00:10:102::1"),
      ] {
        #expect(try net.answer(to: name, kind, from: 2, at: server, by: transport, wanted: wanted) == wanted)
      }
    }
  }

  @Test(arguments: [false, true])
  func `names that are added, changed or removed resolve at once, and two of one name both resolve`(isShared: Bool)
    throws
  {
    try DnsmasqLab.use(containers: 3, ["shop"], isShared: isShared) { net in
      func expect(_ name: String, _ wanted: String) throws {
        #expect(try net.answer(to: name, from: 1, at: "10.102.0.1", wanted: wanted) == wanted)
      }
      try net.join(1, "shop", as: "one")
      try expect("web", "NXDOMAIN")
      try net.join(2, "shop", as: "web")
      try expect("web", "10.102.0.3")
      try net.join(3, "shop", as: "web")
      try expect("web", "10.102.0.3 10.102.0.4")
      try net.leave(2, "shop")
      try expect("web", "10.102.0.4")
      try net.leave(3, "shop")
      try expect("web", "NXDOMAIN")
      try net.join(2, "shop", as: "other")
      try expect("other.shop", "10.102.0.5")
    }
  }

  @Test func `each network has its own answers, and other networks cannot query its server`() throws {
    try DnsmasqLab.use(containers: 3, ["shop", "yard"]) { net in
      let empty = try net.rules()
      try net.join(1, "shop", as: "web")
      try net.join(2, "yard", as: "web")
      try net.join(3, "yard", as: "probe")
      for transport in ["udp", "tcp"] {
        #expect(
          try net.answer(to: "web", from: 1, at: "10.102.0.1", by: transport, wanted: "10.102.0.2") == "10.102.0.2")
        #expect(
          try net.answer(to: "web", from: 3, at: "10.103.0.1", by: transport, wanted: "10.103.0.2") == "10.103.0.2")
        #expect(try net.answer(to: "web", from: 3, at: "10.102.0.1", by: transport, wanted: "silence") == "silence")
        #expect(try net.answer(to: "web", from: 1, at: "fd00:10:103::1", by: transport, wanted: "silence") == "silence")
      }
      for (number, network) in [(1, "shop"), (2, "yard"), (3, "yard")] { try net.leave(number, network) }
      #expect(try net.rules() == empty)
    }
  }
}
