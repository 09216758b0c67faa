import NetTypes

extension Target {
  /// libiptc's name of the target: a verdict, a chain or an extension.
  var name: String {
    switch self {
    case .accept: "ACCEPT"
    case .drop: "DROP"
    case .returnToCaller: "RETURN"
    case .jump(let chain): chain
    case .destination: "DNAT"
    case .source: "SNAT"
    case .masquerade: "MASQUERADE"
    case .mark: "MARK"
    }
  }

  /// Whether the target is an extension module of the kernel, not a verdict or a jump.
  var isExtension: Bool {
    switch self {
    case .accept, .drop, .returnToCaller, .jump: false
    case .destination, .source, .masquerade, .mark: true
    }
  }

  /// `struct xt_entry_target` with its data; libiptc finds the verdict of a standard target by its name.
  func bytes(_ family: IPFamily) -> [UInt8] {
    var data = Bytes()
    putData(family, to: &data)
    data.align()
    var all = Bytes()
    all.put(UInt16(32 + data.all.count))
    all.put(name, in: 29)
    all.put(revision(family))
    all.put(data.all)
    return all.all
  }

  private func revision(_ family: IPFamily) -> UInt8 {
    switch self {
    case .accept, .drop, .returnToCaller, .jump, .masquerade: 0
    case .source: family == .v4 ? 0 : 1
    case .destination, .mark: 2
    }
  }

  private func putData(_ family: IPFamily, to data: inout Bytes) {
    switch self {
    case .accept, .drop, .returnToCaller, .jump: data.put(UInt32(0))
    case .destination(let address, let port): Self.put(address, port, to: &data)
    case .source(let address): Self.put(address, flags: 1, family, to: &data)  // MAP_IPS
    case .masquerade(let isRandom): Self.put(nil, flags: isRandom ? 16 : 0, family, to: &data)  // PROTO_RANDOM_FULLY
    case .mark(let bits):
      data.put(bits.value)
      data.put(bits.mask)
    }
  }

  /// `struct nf_nat_range2`.
  private static func put(_ address: IPAddress, _ port: UInt16?, to data: inout Bytes) {
    data.put(UInt32(port == nil ? 1 : 3))  // MAP_IPS, PROTO_SPECIFIED
    for _ in 0..<2 { data.putUnion(address) }
    for _ in 0..<2 { data.putPort(port ?? 0) }
    data.zeros(4)
  }

  /// `struct nf_nat_ipv4_multi_range_compat` or `struct nf_nat_range` without ports.
  private static func put(_ address: IPAddress?, flags: UInt32, _ family: IPFamily, to data: inout Bytes) {
    if family == .v4 { data.put(UInt32(1)) }
    data.put(flags)
    for _ in 0..<2 {
      if family == .v4 { data.put(address?.bytes ?? [0, 0, 0, 0]) } else { data.putUnion(address) }
    }
    data.zeros(4)
  }
}
