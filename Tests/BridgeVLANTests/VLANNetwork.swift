import CNI
import LabSupport

/// The subnets of a test, one for each family.
///
/// All networks of the bridge share them: only VLANs separate them.
let subnets = ["10.77.0.0/24", "fd77::/64"]

extension Lab {
  /// A network `name` of both families on the bridge `br0`; its leases begin at `first` in each family.
  ///
  /// `keys` is a JSON object with further members of the configuration.
  func network(_ name: String, _ keys: String, first: Int = 10) throws -> JSONValue {
    let ranges = #"""
      {"ranges": [[{"subnet": "10.77.0.0/24", "rangeStart": "10.77.0.\#(first)"}],
                  [{"subnet": "fd77::/64", "rangeStart": "fd77::\#(first)"}]]}
      """#
    return try bridge(keys, subnets: subnets, ipam: ranges).with("name", .string(name))
  }

  /// The VLANs of a link on the host as `bridge vlan` shows them: `10 PVID Egress Untagged` or `20-22`.
  func vlans(of link: String) throws -> [String] {
    try json("bridge -j -compressvlans vlan show dev \(link)", in: host).list("0.vlans").map { vlan in
      let range = [vlan.text("vlan"), vlan.text("vlanEnd")].compactMap(\.self).joined(separator: "-")
      return ([range] + vlan.list("flags").compactMap(\.string)).joined(separator: " ")
    }
  }

  /// Whether each address answers a container's echo request; an expected answer may take five seconds.
  func answers(from container: Int, to addresses: [String], want: Bool) throws -> [Bool] {
    let probes = addresses.map {
      Probe(from: self.container(container), to: $0, .ping, 0, patience: want ? 5 : 1)
    }
    return try answers(to: probes, servers: []).map { if case .by = $0 { true } else { false } }
  }
}

extension JSONValue {
  /// The addresses of a result, without their prefix lengths.
  var addresses: [String] {
    list("ips").compactMap { $0.text("address")?.split(separator: "/").first.map(String.init) }
  }

  /// The host end of the attachment.
  var port: String { text("interfaces.1.name") ?? "" }
}
