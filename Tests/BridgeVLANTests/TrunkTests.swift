import CNI
import LabSupport
import Testing

/// Ports that carry several VLANs with tags.
@Suite(.needsRoot)
struct TrunkTests {
  /// Container 1 on VLAN 10, 2 on VLAN 30, and 3 behind a trunk of 10 and 20 to 22 with links of its own.
  private func prepare(_ lab: Lab) throws -> [[String]] {
    let results = try [10, 30].enumerated().map { index, vlan in
      try lab.add(
        lab.network("net\(vlan)", #"{"vlan": \#(vlan)}"#, first: vlan), to: index + 1
      ).result()
    }
    let trunk = try lab.bridge(
      #"{"name": "trunk", "vlanTrunk": [{"id": 10}, {"minID": 20, "maxID": 22}]}"#, subnets: [])
    _ = try lab.add(trunk, to: 3).result()
    return results.map(\.addresses)
  }

  @Test func `a container on a trunk reaches access ports with its own VLAN tags`() throws {
    try Lab.use(containers: 3) { lab in
      let addresses = try prepare(lab)
      try lab.tag(10, "10.77.0.5", "fd77::5", in: lab.container(3))
      #expect(try lab.answers(from: 3, to: addresses[0], want: true) == [true, true])
      #expect(try lab.answers(from: 1, to: ["10.77.0.5", "fd77::5"], want: true) == [true, true])
      #expect(try lab.answers(from: 3, to: addresses[1], want: false) == [false, false])
    }
  }

  @Test func `frames are tagged in both directions on a trunk and untagged on an access port`() throws {
    try Lab.use(containers: 3) { lab in
      let addresses = try prepare(lab)
      try lab.tag(10, "10.77.0.5", "fd77::5", in: lab.container(3))
      let ping = addresses[0].map { "ping -c1 -W5 \($0)" }.joined(separator: "; ")
      let trunk = try lab.frames(on: "eth0", in: lab.container(3), while: ping, in: lab.container(3))
      let ip = trunk.filter { [0x0800, 0x86dd].contains($0.etherType) && $0.vlan != nil }
      #expect(ip.allSatisfy { $0.vlan == 10 })
      for isOutgoing in [true, false] {
        let types = Set(ip.filter { $0.isOutgoing == isOutgoing }.map(\.etherType))
        #expect(types == [0x0800, 0x86dd])
      }
      let access = try lab.frames(on: "eth0", in: lab.container(1), while: ping, in: lab.container(3))
      #expect(access.contains { $0.etherType == 0x0800 && !$0.isOutgoing })
      #expect(access.allSatisfy { $0.vlan == nil })
    }
  }

  @Test func `a trunk does not pass a VLAN that vlanTrunk does not list`() throws {
    try Lab.use(containers: 3) { lab in
      let addresses = try prepare(lab)
      try lab.tag(30, "10.77.0.5", "fd77::5", in: lab.container(3))
      let received = try lab.frames(
        on: "eth0", in: lab.container(2), while: addresses[1].map { "ping -c1 -W1 \($0)" }.joined(separator: "; "),
        in: lab.container(3))
      #expect(received.filter { !$0.isOutgoing } == [])
    }
  }

  @Test func `untagged frames of a trunk are in the VLAN of the key vlan`() throws {
    try Lab.use(containers: 3) { lab in
      let native = try lab.add(lab.network("ten", #"{"vlan": 10}"#), to: 1).result()
      let tagged = try lab.add(lab.network("twenty", #"{"vlan": 20}"#, first: 30), to: 2).result()
      let both = try lab.network("both", #"{"vlan": 10, "vlanTrunk": [{"id": 20}]}"#, first: 50)
      _ = try lab.add(both, to: 3).result()
      #expect(try lab.answers(from: 3, to: native.addresses, want: true) == [true, true])
      #expect(try lab.answers(from: 3, to: tagged.addresses, want: false) == [false, false])
      try lab.tag(20, "10.77.0.5", "fd77::5", in: lab.container(3))
      #expect(try lab.answers(from: 3, to: tagged.addresses, want: true) == [true, true])
    }
  }
}
