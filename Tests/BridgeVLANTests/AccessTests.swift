import CNI
import LabSupport
import Testing

// Group: link-kinds, needs vlan-filtering 802.1q

/// Ports that belong to one VLAN, without tags.
@Suite(.needsRoot)
struct AccessTests {
  @Test func `containers of one VLAN reach each other, and another VLAN receives none of their frames`() throws {
    try Lab.use(containers: 3) { lab in
      let first = try lab.network("ten", #"{"vlan": 10}"#)
      let one = try lab.add(first, to: 1).result(), two = try lab.add(first, to: 2).result()
      let other = try lab.add(lab.network("twenty", #"{"vlan": 20}"#, first: 30), to: 3).result()
      #expect(try lab.answers(from: 1, to: two.addresses, want: true) == [true, true])
      #expect(try lab.answers(from: 1, to: other.addresses, want: false) == [false, false])
      #expect(try lab.answers(from: 3, to: one.addresses, want: false) == [false, false])

      // No container has the requested addresses, so the request goes to every port of the VLAN.
      let mac = one.text("interfaces.2.mac")
      let received = try [2, 3].map { listener in
        try lab.frames(
          on: "eth0", in: lab.container(listener),
          while: "ping -c1 -W1 10.77.0.99; ping -c1 -W1 fd77::99", in: lab.container(1)
        ).filter { $0.source == mac }
      }
      #expect(Set(received[0].map(\.etherType)).isSuperset(of: [0x0806, 0x86dd]))
      #expect(received[0].allSatisfy { $0.vlan == nil })
      #expect(received[1] == [])
    }
  }

  @Test func `a container that tags frames itself cannot enter another VLAN`() throws {
    try Lab.use(containers: 2) { lab in
      _ = try lab.add(lab.network("ten", #"{"vlan": 10}"#), to: 1).result()
      let other = try lab.add(lab.network("twenty", #"{"vlan": 20}"#, first: 30), to: 2).result()
      try lab.tag(20, "10.77.0.5", "fd77::5", in: lab.container(1))
      let received = try lab.frames(
        on: "eth0", in: lab.container(2),
        while: other.addresses.map { "ping -c1 -W1 -I eth0.20 \($0)" }.joined(separator: "; "), in: lab.container(1))
      #expect(received.filter { !$0.isOutgoing } == [])
    }
  }

  @Test func `a network without vlan on a bridge with vlan_filtering is in VLAN 1`() throws {
    try Lab.use(containers: 3) { lab in
      _ = try lab.add(lab.network("ten", #"{"vlan": 10}"#), to: 1).result()
      let plain = try lab.network("plain", "{}", first: 30)
      let second = try lab.add(plain, to: 2).result(), third = try lab.add(plain, to: 3).result()
      #expect(try lab.vlans(of: second.port) == ["1 PVID Egress Untagged"])
      #expect(try lab.answers(from: 2, to: third.addresses, want: true) == [true, true])
      #expect(try lab.answers(from: 1, to: third.addresses, want: false) == [false, false])
    }
  }
}

extension Lab {
  /// Creates a VLAN link on a container's `eth0`, in the container, with an address of each family.
  func tag(_ vlan: Int, _ v4: String, _ v6: String, in namespace: String) throws {
    let link = "eth0.\(vlan)"
    try shell(
      """
      ip address flush dev eth0 scope global
      ip link add link eth0 name \(link) type vlan id \(vlan)
      ip link set \(link) up
      ip address add \(v4)/24 dev \(link)
      ip address add \(v6)/64 dev \(link) nodad
      """, in: namespace)
  }
}
