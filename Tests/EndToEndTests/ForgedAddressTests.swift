import CNI
import LabSupport
import Testing

/// Containers that use addresses of other containers.
@Suite(.needsRoot)
struct ForgedAddressTests {
  private static let subnets = ["10.77.0.0/24", "fd77::/64"]
  private static let keys = #"{"isGateway": true, "hairpinMode": true, "isolation": "network"}"#

  /// Gives the container a further address and pings from it.
  private func answers(_ own: String, from source: String, to address: String, _ lab: Lab) throws -> Bool {
    let container = lab.container(1)
    try lab.shell(
      "ip addr add \(source) dev eth0 \(source.contains(":") ? "nodad" : "")", in: container)
    let plain = source.split(separator: "/")[0]
    // The receiver has a route back, so only the guard can stop the answer.
    let found = try lab.shell(
      "ping -c2 -W1 -I \(plain) \(address) >/dev/null 2>&1 && echo yes || echo no", in: container)
    try lab.shell("ip addr del \(source) dev eth0", in: container)
    return found.hasPrefix("yes")
  }

  @Test(arguments: [true, false])
  func `only the container's own source addresses pass unless ipspoofchk is false`(isGuarded: Bool) throws {
    try Lab.use(containers: 2) { lab in
      let key = isGuarded ? "{}" : #"{"ipspoofchk": false}"#
      let config = try lab.bridge(Self.keys, subnets: Self.subnets).merging(try JSONValue(json: key))
      let first = try lab.add(config).result()
      _ = try lab.add(config, to: 2).result()
      for address in ["10.77.0.1", "10.77.0.3", "fd77::1", "fd77::3"] {
        #expect(try lab.pings(address, from: lab.container(1)))
      }
      for (source, address) in [
        ("10.77.0.99/24", "10.77.0.3"), ("fd77::99/64", "fd77::3"), ("10.77.0.98/24", "10.77.0.1"),
      ] {
        #expect(try answers("", from: source, to: address, lab) == !isGuarded, "\(source)")
      }
      // The container's own link-local address still works.
      let local = try lab.shell(
        "ip -6 -o addr show dev eth0 scope link | awk '{print $4}' | cut -d/ -f1", in: lab.container(2))
      let neighbour = try #require(local.split(separator: "\n").first)
      #expect(try lab.shell("ping -c1 -W2 \(neighbour)%eth0", in: lab.container(1)).contains("1 received"))
      #expect(try lab.check(config, first).isSuccess)
      for container in 1...2 { #expect(try lab.delete(config, from: container).isSuccess) }
      #expect(try lab.shell("nft list tables", in: lab.host) == "")
    }
  }

  @Test func `a tag of VLAN 0 does not bypass ipspoofchk`() throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.bridge(Self.keys, subnets: ["10.77.0.0/24"])
      _ = try lab.add(config).result()
      let second = try lab.add(config, to: 2).result()
      let mac = try #require(second.text("interfaces.2.mac"))
      let received = try lab.frames(
        on: "eth0", in: lab.container(2),
        while: """
          python3 - <<'END'
          socket, struct = map(__import__, ("socket", "struct"))
          link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
          link.bind(("eth0", 0))
          own = link.getsockname()[4]
          packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 17, 0, socket.inet_aton("10.77.0.99"), socket.inet_aton("10.77.0.3")) + bytes(8)
          to = bytes.fromhex("\(mac)".replace(":", ""))
          for tags in (b"", b"\\x81\\x00\\x00\\x00", b"\\x88\\xa8\\x00\\x00\\x81\\x00\\x00\\x00"):
              link.send(to + own + tags + b"\\x08\\x00" + packet)
          link.send(to + own + b"\\x88\\xb5" + bytes(50))
          END
          """, in: lab.container(1))
      #expect(
        received.filter { [0x0800, 0x8100, 0x88a8].contains($0.etherType) && $0.source == first(received) } == [])
      #expect(received.contains { $0.etherType == 0x88b5 })
    }
  }

  /// The sender MAC address of frames that no rule checks.
  private func first(_ frames: [Frame]) -> String? { frames.first { $0.etherType == 0x88b5 }?.source }
}
