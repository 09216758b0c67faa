import NetTypes

/// Equals `bridge vlan add`; the VLANs are deleted with the port, which ADD creates, so it has no inverse.
struct SetVLANs: CustomStringConvertible {
  let vlans: PortVLANs
  let name: InterfaceName

  var description: String { "set VLANs of \(name): \(vlans)" }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    guard try kernel.link(name, on: .host) != nil else { return ["host link \(name) is missing"] }
    return vlans.differences(in: try kernel.vlans(of: name)).map { "host link \(name) \($0)" }
  }
}

extension PortVLANs: CustomStringConvertible {
  public var description: String {
    let tagged = tagged.map {
      $0.lowerBound == $0.upperBound ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
    }
    let words = [native.map { "native \($0)" }, tagged.isEmpty ? nil : "tagged \(tagged.joined(separator: ","))"]
    return (words + [keepsDefault ? nil : "without 1"]).compactMap { $0 }.joined(separator: ", ")
  }
}

extension PortVLANs {
  fileprivate func differences(in actual: PortVLANs) -> [String] {
    var found: [String] = []
    if let native, actual.native != native {
      found.append("has native VLAN \(actual.native?.description ?? "none"), want \(native)")
    }
    if !keepsDefault, actual.keepsDefault, let one = VLANID(1), native != one, !contains(tagged: one) {
      found.append("passes VLAN 1, want a port without VLAN 1")
    }
    for range in tagged {
      let missing = (range.lowerBound.number...range.upperBound.number).compactMap(VLANID.init)
        .filter { !actual.contains(tagged: $0) && actual.native != $0 }
      if let first = missing.first { found.append("does not pass VLAN \(first)") }
    }
    return found
  }
}
