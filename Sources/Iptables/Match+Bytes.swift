import NetTypes

extension Match {
  /// `struct xt_entry_match` with its data.
  var bytes: [UInt8] {
    var data = Bytes()
    putData(to: &data)
    data.align()
    var all = Bytes()
    all.put(UInt16(32 + data.all.count))
    all.put(name, in: 29)
    all.put(revision)
    all.put(data.all)
    return all.all
  }

  private var name: String {
    switch self {
    case .port(let transport, _): "\(transport)"
    case .comment: "comment"
    case .states: "conntrack"
    case .addressType: "addrtype"
    case .mark: "mark"
    case .groups: "devgroup"
    case .ranges: "iprange"
    }
  }

  private var revision: UInt8 {
    switch self {
    case .port, .comment, .groups: 0
    case .addressType, .mark, .ranges: 1
    case .states: 3
    }
  }

  private func putData(to data: inout Bytes) {
    switch self {
    case .port(let transport, let port): Self.put(port, of: transport, to: &data)
    case .comment(let text): data.put(text, in: 256)
    case .states(let test):  // struct xt_conntrack_mtinfo3
      data.zeros(146)
      data.put(UInt16(1))
      data.put(UInt16(test.isNegated ? 1 : 0))
      data.put(test.value.rawValue)
      data.zeros(12)
    case .addressType(let source, let destination):  // struct xt_addrtype_info_v1
      data.put(source?.value.rawValue ?? 0)
      data.put(destination?.value.rawValue ?? 0)
      data.put(flag(source, inverted: 1) | flag(destination, inverted: 2))
    case .mark(let test):  // struct xt_mark_mtinfo1
      data.put(test.value.value)
      data.put(test.value.mask)
      data.put(UInt32(test.isNegated ? 1 : 0))
    case .groups(let source, let destination):  // struct xt_devgroup_info
      data.put(flag(source, 1, inverted: 2) | flag(destination, 4, inverted: 8))
      for test in [source, destination] {
        data.put(test?.value.value ?? 0)
        data.put(test?.value.mask ?? 0)
      }
    case .ranges(let source, let destination):  // struct xt_iprange_mtinfo
      for test in [source, destination] {
        data.putUnion(test?.value.lowerBound)
        data.putUnion(test?.value.upperBound)
      }
      data.put(flag(source, 1, inverted: 16) | flag(destination, 2, inverted: 32))
    }
  }

  /// `struct xt_tcp`, `struct xt_udp`, `struct xt_sctp_info`.
  private static func put(_ port: UInt16, of transport: TransportProtocol, to data: inout Bytes) {
    if transport == .sctp {
      data.put(port)
      data.put(port)
      data.put(UInt32(0))
      data.zeros(256 + 4 + 12 + 4)
      data.put(UInt32(2))  // XT_SCTP_DEST_PORTS
      data.put(UInt32(0))
    } else {
      data.put(UInt16.min)
      data.put(UInt16.max)
      data.put(port)
      data.put(port)
      data.zeros(transport == .tcp ? 4 : 1)
    }
  }
}

private func flag<Value>(_ test: Test<Value>?, _ present: UInt32 = 0, inverted: UInt32) -> UInt32 {
  guard let test else { return 0 }
  return present | (test.isNegated ? inverted : 0)
}
