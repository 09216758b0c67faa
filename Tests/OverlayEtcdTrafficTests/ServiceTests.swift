import CNI
import EtcdSupport
import Foundation
import LabSupport
import Testing

/// Services whose back-ends are on several hosts.
@Suite(.needsRoot, .serialized)
struct `Services across hosts` {
  private typealias Answer = SharedService.Answer

  /// Two back-ends on host 0, one on host 1, and a container of weight 0 on host 2.
  private static func members(_ service: SharedService) throws -> [Attached] {
    let all = [
      try service.attach(1, on: 0), try service.attach(2, on: 0), try service.attach(1, on: 1),
      try service.attach(1, on: 2, weight: 0),
    ]
    try service.sync()
    return all
  }

  private static func twice(_ counts: [String: Int]) -> [[String: Int]] { [counts, counts] }

  @Test(arguments: [false, true])
  func `connections are shared evenly on every host, and by those that come and stay`(filtersBridges: Bool) throws {
    try SharedService.use(filtersBridges: filtersBridges) { service in
      let members = try Self.members(service)
      let places = members.map(\.namespace) + [service.site.cluster.hosts[0].host, service.site.cluster.fabric]
      for place in places {
        for (transport, count) in [(Probe.Transport.tcp, 12), (.udp, 12)] {
          let counts = try service.counts(from: place, count, transport)
          #expect(counts == Self.twice(["0/1": 4, "0/2": 4, "1/1": 4]), "\(place) \(transport)")
        }
      }
      for (member, weight) in zip(members, [1, 1, 1, 0]) {
        #expect(try service.check(member, weight: weight).complaint == "")
      }
      // One comes on host 2, and one of host 0 goes.
      _ = try service.attach(2, on: 2)
      #expect(try service.delete(members[0]).complaint == "")
      try service.sync()
      for place in places {
        #expect(try service.counts(from: place, 12) == Self.twice(["0/2": 4, "1/1": 4, "2/2": 4]), "\(place)")
      }
    }
  }

  @Test(arguments: [false, true])
  func `a container sees the client's address, and an address of the host for connections through it`(
    filtersBridges: Bool
  ) throws {
    try SharedService.use(filtersBridges: filtersBridges) { service in
      let near = try service.attach(1, on: 0, weight: 0), far = try service.attach(1, on: 1)
      try service.sync()
      for family in 0...1 {
        let vip = [SharedService.vips[family]]
        #expect(
          try service.answers(from: near.namespace, 2, to: vip)
            == [[Answer(name: "1/1", seen: near.addresses[family]): 2]])
        for place in [service.site.cluster.fabric, near.lab.host] {
          let seen = try service.answers(from: place, 2, to: vip)[0].keys.map(\.seen)
          #expect(seen.count == 1 && seen[0] != "" && !far.addresses.contains(seen[0]), "\(place): \(seen)")
        }
        let published = service.site.cluster.underlay(0, family == 0 ? .v4 : .v6)
        #expect(
          try service.counts(from: service.site.cluster.fabric, 2, to: [published], .tcp, SharedService.hostPort)
            == [["1/1": 2]])
      }
    }
  }

  @Test func `the containers of a host whose lease ended get no connections while sync --watch runs`() throws {
    try SharedService.use { service in
      var service = service
      let near = try service.attach(1, on: 0)
      service.leaseSeconds = 10
      _ = try service.attach(1, on: 1)
      _ = try service.attach(1, on: 2)
      try service.sync(0..<1)
      let all = Self.twice(["0/1": 2, "1/1": 2, "2/1": 2])
      #expect(try service.counts(from: near.namespace, 6) == all)
      try service.watching(on: 0) {
        try eventually("host 0 has no back-end of the hosts that do not renew their leases") {
          try service.counts(from: near.namespace, 6, patience: 3) == Self.twice(["0/1": 6])
        }
      }
    }
  }

  @Test func `a host follows others with sync --watch, and repair restores the rules`() throws {
    try SharedService.use { service in
      let near = try service.attach(1, on: 0)
      try service.watching(on: 0) {
        let far = try service.attach(1, on: 1)
        let both = Self.twice(["0/1": 2, "1/1": 2])
        try eventually("host 0 knows the back-end") {
          try service.counts(from: near.namespace, 4, patience: 3) == both
        }
        try near.lab.shell("nft flush ruleset", in: near.lab.host)
        #expect(try service.check(near).complaint.contains("back-end \(far.addresses[0]):80"))
        try service.cnictl("repair", on: 0).requireSuccess()
        #expect(try service.counts(from: near.namespace, 4) == both)
        #expect(try service.delete(far).complaint == "")
        try eventually("host 0 has forgotten it") {
          try service.counts(from: near.namespace, 4, patience: 3) == Self.twice(["0/1": 4])
        }
      }
    }
  }

  @Test func `without a quorum ADD changes nothing and DEL removes the rules; the last DEL leaves nothing`() throws {
    try SharedService.use { service in
      let lab = service.site.cluster.hosts[0]
      // Each ADD of the network tells its host of the others.
      let plain = try service.network.attach(2, on: 0)
      _ = try service.attach(1, on: 1)
      let near = try service.network.attach(1, on: 0)
      let state = { () throws in
        let script = "nft list ruleset; ip -br address show lo; find /run/swift-cni/filter -type f"
        return Set(try lab.shell(script, in: lab.host).split(separator: "\n").map(String.init))
      }
      let before = try state()
      try service.add(near).requireSuccess()
      #expect(try service.counts(from: near.namespace, 4) == Self.twice(["0/1": 2, "1/1": 2]))
      for member in 1...2 { service.site.etcd.stop(member: member) }
      let with = try state()
      #expect(try service.add(plain).code == 11)
      #expect(try state().symmetricDifference(with).sorted() == [])
      #expect(try lab.ask("STATUS", service.config(on: 0), plugin: "service").code == 50)
      #expect(try service.delete(near).code == 11)
      #expect(try state().symmetricDifference(before).sorted() == [])
      for member in 1...2 { try service.site.etcd.start(member: member, waits: member == 2) }
      // As runtimes do after a refused ADD: etcd may have kept its write until now.
      for container in [plain, near] { #expect(try service.delete(container).complaint == "") }
      #expect(try service.keys().count == 1)
      try service.add(plain).requireSuccess()
      try lab.collectGarbage(service.config(on: 0), keeping: [], plugin: "service").requireSuccess()
      #expect(try state().symmetricDifference(before).sorted() == [])
      #expect(try service.keys().count == 1)
    }
  }

  @Test func `a killed ADD or DEL leaves no half service on any host`() throws {
    try SharedService.use { service in
      let near = try service.attach(1, on: 0)
      _ = try service.attach(1, on: 1)
      let container = try service.network.attach(2, on: 1), lab = container.lab
      try service.sync()
      let state = { () throws in
        try (0..<2).map { host in
          let host = service.site.cluster.hosts[host]
          let script = "nft list ruleset; ip -br address show lo; find /run/swift-cni/filter -type f"
          return try Set(host.shell(script, in: host.host).split(separator: "\n").map(String.init))
        } + [Set(service.keys())]
      }
      let before = try state()
      let config = try service.config(on: 1).with("prevResult", container.result)
      try lab.killInTurn(
        seed: 16, rounds: 10, delay: { 4000 << ($0 / 2)...8000 << ($0 / 2) },
        { lab.call($0, config, on: container.container, plugin: "service") },
        add: { try service.add(container).requireSuccess() },
        clean: { round in
          try service.sync(0..<1)
          let answers = try service.counts(from: near.namespace, 4)
          #expect(answers.allSatisfy { $0["none"] == nil }, "\(round): \(answers)")
          #expect(try service.delete(container).complaint == "")
          try service.sync(0..<1)
          let after = try state()
          for (old, new) in zip(before, after) { #expect(new.symmetricDifference(old).sorted() == [], "\(round)") }
        })
    }
  }

  @Test func `another scheduler on another host is refused, and so is a network with one subnet for all hosts`() throws
  {
    try SharedService.use { service in
      _ = try service.attach(1, on: 0)
      let other = try service.network.attach(1, on: 1)
      let refused = try service.add(other, weight: 1, #"{"scheduler": "source"}"#)
      #expect(refused.code == 11 && refused.complaint.contains("scheduler roundRobin on host host0"), "\(refused)")
      #expect(try service.keys().count == 1)
    }
    try Site.use(containers: 1) { site in
      let service = SharedService(site, mode: "l2")
      _ = try service.attach(1, on: 0)
      let refused = try service.add(service.network.attach(1, on: 1))
      #expect(refused.code == 11 && refused.complaint.contains("want a subnet for each host"), "\(refused)")
    }
  }

  @Test func `with haproxy a host shares connections among the containers of all hosts`() throws {
    try SharedService.use { service in
      let hosts = service.site.cluster.hosts
      defer {
        for host in hosts { _ = try? host.shell("kill -9 $(cat /run/swift-cni/haproxy/*/*.pid)", in: host.host) }
      }
      let keys = #"{"engine": "haproxy", "ports": [{"port": 8000, "targetPort": 80}]}"#
      func attach(_ container: Int, on host: Int, weight: Int = 1, _ keys: String) throws -> (Attached, Outcome) {
        let attached = try service.network.attach(container, on: host)
        return (attached, try service.add(attached, weight: weight, keys))
      }
      var members: [Attached] = []
      for (container, host) in [(1, 0), (2, 0), (1, 1)] {
        let (member, outcome) = try attach(container, on: host, keys)
        try outcome.requireSuccess()
        members.append(member)
      }
      let (client, added) = try attach(1, on: 2, weight: 0, keys)
      try added.requireSuccess()
      try service.sync()
      let places = members.map(\.namespace) + [client.namespace, hosts[0].host, service.site.cluster.fabric]
      for place in places {
        let counts = try service.counts(from: place, 9)
        #expect(counts.allSatisfy { Set($0.keys) == ["0/1", "0/2", "1/1"] }, "\(place): \(counts)")
      }
      #expect(try service.delete(members[2]).complaint == "")
      let (_, refused) = try attach(2, on: 1, #"{"ports": [{"port": 8000, "targetPort": 80}]}"#)
      #expect(refused.code == 11 && refused.complaint.contains("engine haproxy"), "\(refused)")
      try service.sync()
      for place in [client.namespace, service.site.cluster.fabric] {
        let counts = try service.counts(from: place, 9)
        #expect(counts.allSatisfy { Set($0.keys) == ["0/1", "0/2"] }, "\(place): \(counts)")
      }
      for member in [members[0], members[1], client] { #expect(try service.delete(member).complaint == "") }
      for host in hosts { #expect(try host.shell("find /run/swift-cni -path '*haproxy*'", in: host.host) == "") }
    }
  }
}
