import BaseSupport
import CNI
import Foundation
import LabSupport
import Testing

/// podman's plugin `dnsname`, which runs a dnsmasq for each network.
@Suite(.needsRoot) struct OwnServerTests {
  @Test func `container names and outside names resolve while a container is attached`() throws {
    try OwnServerLab.use(containers: 2) { net in
      try net.join(1, as: "web", aliases: ["www"]).requireSuccess()
      let dns = try net.join(2, as: "db").result()
      #expect(dns.list("dns.nameservers") == ["10.93.0.1", "fd00:93::1"])
      #expect(dns.list("dns.search") == ["dns.podman"])
      for (name, kind, wanted) in [
        ("web", "A", "10.93.0.2"), ("web.dns.podman", "A", "10.93.0.2"), ("web", "AAAA", "fd00:93::2"),
        ("www.dns.podman", "A", "10.93.0.2"), ("2.0.93.10.in-addr.arpa", "PTR", "web.dns.podman"),
        ("outside.example", "A", "198.51.100.7"), ("nobody.dns.podman", "A", "NXDOMAIN"), ("nobody", "A", "NXDOMAIN"),
      ] {
        for server in ["10.93.0.1", "fd00:93::1"] {
          #expect(try net.answer(to: name, kind, from: 2, at: server, wanted: wanted) == wanted)
        }
      }
      #expect(try net.check(2, dns, as: "db").isSuccess)
      try net.leave(1)
      #expect(try net.answer(to: "web", from: 2, wanted: "NXDOMAIN") == "NXDOMAIN")
      #expect(try net.servers() == ["named"])
      try net.leave(2)
      #expect(try net.servers() == [])
      #expect(try net.files() == "")
    }
  }

  @Test func `CHECK reports a dead server, and the next ADD starts it again`() throws {
    try OwnServerLab.use(containers: 2) { net in
      let result = try net.join(1, as: "web").result()
      try net.kill()
      #expect(try net.check(1, result, as: "web").complaint.contains("no dnsmasq runs for network named"))
      try net.join(2, as: "db").requireSuccess()
      #expect(try net.check(1, result, as: "web").isSuccess)
      #expect(try net.answer(to: "web", from: 2, wanted: "10.93.0.2") == "10.93.0.2")
      try net.kill()
      for number in 1...2 { try net.leave(number) }
      #expect(try net.files() == "")
    }
  }

  @Test func `a failed ADD stops only the server that it started`() throws {
    try OwnServerLab.use(containers: 2) { net in
      let failing =
        #"{"type": "dns-hosts", "domain": "dns.podman", "dnsmasq": {"run": true}, "hosts": false, "hostnameFile": false, "resolvConf": "/proc/{containerID}/resolv.conf"}"#
      #expect(try net.join(1, as: "web", keys: failing).code == 100)
      #expect(try net.servers() == [])
      #expect(try net.files() == "")
      try net.leave(1)
      try net.join(1, as: "web").requireSuccess()
      #expect(try net.join(2, as: "db", keys: failing).code == 100)
      #expect(try net.servers() == ["named"])
      #expect(try net.answer(to: "db", from: 1, wanted: "NXDOMAIN") == "NXDOMAIN")
      try net.leave(2)
      try net.leave(1)
    }
  }

  @Test func `many ADDs at once start one server for each network`() throws {
    try OwnServerLab.use(containers: 12) { net in
      let networks = ["named", "other"]
      for outcome in atOnce(12, { try net.join($0 + 1, networks[$0 % 2], as: "c\($0)") }) {
        try outcome.get().requireSuccess()
      }
      #expect(try net.servers() == networks)
      #expect(try net.answer(to: "c10", from: 1, wanted: "NXDOMAIN") != "NXDOMAIN")
      for number in stride(from: 1, through: 11, by: 2) { try net.leave(number) }
      #expect(try net.servers() == ["other"])
      let config = try net.dnsname("other").with("cni.dev/valid-attachments", .array([]))
      try net.lab.ask("GC", config.with("cniVersion", "1.1.0"), plugin: "dnsname").requireSuccess()
      #expect(try net.servers() == [])
    }
  }

  @Test func `ADD names no server if another program uses the port`() throws {
    try OwnServerLab.use(containers: 1) { net in
      try net.lab.shell(
        """
        ip link add cni-named type bridge; ip link set cni-named up; ip address add 10.93.0.1/24 dev cni-named
        ip address add fd00:93::1/64 dev cni-named nodad
        dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces --interface=cni-named --user=nobody \
          --except-interface=lo --pid-file=\(net.lab.directory)/rival.pid
        """, in: net.lab.host)
      let outcome = try net.join(1, as: "web")
      let named = try outcome.result().list("dns.nameservers")
      #expect(named == [])
      #expect(
        outcome.errors.contains(
          "no name server: start /usr/sbin/dnsmasq: dnsmasq: failed to create listening socket for 10.93.0.1: Address already in use"
        ))
      #expect(try net.servers() == [])
      try net.leave(1)
    }
  }

  @Test func `DEL or GC removes what a killed ADD or DEL left`() throws {
    try OwnServerLab.use(containers: 1) { net in
      var random = Xorshift(seed: 7), killed = 0
      let result = try net.lab.add(net.bridge("named")).result()
      let config = try net.dnsname("named").with("prevResult", result)
      func call(_ command: String) -> PluginCall { net.lab.call(command, config, on: 1, plugin: "dnsname") }
      for round in 0..<24 {
        let isADD = round % 3 > 0
        if !isADD { try net.lab.run(call("ADD")).requireSuccess() }
        let outcome = try net.lab.run(
          call(isADD ? "ADD" : "DEL"), killedAfter: Int.random(in: 1000...60_000, using: &random))
        if outcome.status == 137 { killed += 1 }
        if round.isMultiple(of: 2) {
          try net.lab.run(call("DEL")).requireSuccess()
        } else {
          let none = config.with("cni.dev/valid-attachments", .array([])).with("cniVersion", "1.1.0")
          try net.lab.ask("GC", none, plugin: "dnsname").requireSuccess()
        }
        try #require(try net.servers() == [], "round \(round)")
        try #require(try net.files() == "", "round \(round)")
      }
      #expect(killed > 0)
    }
  }
}
