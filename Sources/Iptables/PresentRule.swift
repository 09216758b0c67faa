import NetTypes
import PacketFilter

/// A rule that is present in a table.
struct PresentRule: Equatable, Sendable {
  let family: IPFamily
  /// The whole entry.
  let bytes: [UInt8]
  /// A verdict, a chain or an extension; empty if the rule has no target.
  let target: String
  private let isExtension: Bool

  /// - Parameters:
  ///   - family: the family of the table.
  ///   - bytes: the whole entry, as the kernel returned it.
  ///   - target: libiptc's name of the target.
  init(_ family: IPFamily, read bytes: [UInt8], target: String) {
    let offset = bytes.number16(at: EntryShape(family).targetOffset)
    // In the kernel, a standard target (a verdict or a jump) has an empty name.
    self.init(family, bytes, target: target, isExtension: bytes[offset + 2] != 0)
  }

  init(_ family: IPFamily, _ bytes: [UInt8], target: String, isExtension: Bool) {
    self.family = family
    self.bytes = bytes
    self.target = target
    self.isExtension = isExtension
  }

  private var shape: EntryShape { EntryShape(family) }
  private var targetOffset: Int { bytes.number16(at: shape.targetOffset) }

  /// The rule without its counters, for comparison.
  var key: [UInt8] {
    var key = Array(bytes[..<shape.cache])
    key += matches
    key += target.utf8
    key.append(0)
    if isExtension { key += bytes[(targetOffset + 31)...] }
    return key
  }

  /// The matches as we would write them: the kernel does not clear the bytes behind a match's name, so this does.
  private var matches: [UInt8] {
    var matches = Array(bytes[shape.size..<targetOffset])
    var offset = 0
    while offset < matches.count {
      let name = offset + 2..<offset + 31
      if let end = matches[name].firstIndex(of: 0) {
        for index in end..<name.upperBound { matches[index] = 0 }
      }
      offset += max(matches.number16(at: offset), 32)
    }
    return matches
  }

  /// The entry in the form that libiptc accepts, with counters.
  var insertable: [UInt8] {
    guard !isExtension else { return bytes }
    var name = Bytes()
    name.put(target, in: 29)
    return bytes[..<(targetOffset + 2)] + name.all + bytes[(targetOffset + 31)...]
  }

  /// The offset of the data of the last match of that name: our comment comes after the caller's conditions.
  private func match(_ name: String) -> Int? {
    var offset = shape.size
    let end = targetOffset
    var result: Int?
    while offset < end {
      let size = bytes.number16(at: offset)
      if bytes[(offset + 2)...].starts(with: name.utf8), bytes[offset + 2 + name.utf8.count] == 0 {
        result = offset + 32
      }
      guard size >= 32 else { break }
      offset += size
    }
    return result
  }

  var comment: String? { match("comment").map { bytes.text(at: $0, count: 256) } }

  /// Whether the rule has that attachment's comment.
  func hasOwnerComment(_ ownerComment: String) -> Bool {
    guard let start = match("comment") else { return false }
    let end = start + ownerComment.utf8.count
    return bytes[start...].starts(with: ownerComment.utf8) && (bytes[end] == 0 || bytes[end] == UInt8(ascii: " "))
  }

  /// The name of the chain that the rule needs, at the end of an owner's comment.
  var neededChain: String? {
    guard let start = match("comment") else { return nil }
    let words = bytes[start..<start + 256].prefix { $0 != 0 }.split(separator: UInt8(ascii: " "), maxSplits: 2)
    return words.count == 3 ? String(decoding: words[2], as: UTF8.self) : nil
  }

  var outDevice: String { bytes.text(at: shape.outDevice, count: 16) }

  /// The bits that a `MARK` target sets.
  var setMark: UInt32? { target == "MARK" && isExtension ? bytes.number32(at: targetOffset + 32) : nil }

  /// The bits that a `mark` match requires.
  var matchedMark: UInt32? { match("mark").map { bytes.number32(at: $0) } }

  /// The port that a rule with a `DNAT` target publishes.
  var publishedPort: PublishedPort? {
    guard isExtension, target == "DNAT", bytes[shape.inverted] & 16 == 0,
      let transport = TransportProtocol.allCases.first(where: { $0.number == bytes[shape.protocolNumber] })
    else { return nil }
    guard let ports = transport == .sctp ? match("sctp") : match(transport == .tcp ? "tcp" : "udp").map({ $0 + 4 })
    else {
      return nil
    }
    let data = targetOffset + 36
    let port = data + 32
    guard let target = IPAddress(bytes: bytes[data..<data + shape.address]) else { return nil }
    return PublishedPort(
      transport, hostIP: destination, hostPort: UInt16(bytes.number16(at: ports)), to: target,
      UInt16(bytes.number16(at: port)).byteSwapped)
  }

  /// The full-length destination address that the rule matches.
  private var destination: IPAddress? { subnet.flatMap { $0.hostBits == 0 ? $0.address : nil } }

  /// The destination prefix that the rule matches.
  var subnet: IPPrefix? { prefix(at: 1) }

  /// The source prefix that the rule matches.
  var source: IPPrefix? { prefix(at: 0) }

  /// The prefix at that index: the source is 0, the destination 1; their masks follow both addresses.
  private func prefix(at index: Int) -> IPPrefix? {
    let mask = bytes[(index + 2) * shape.address..<(index + 3) * shape.address]
    let length = mask.reduce(0) { $0 + $1.nonzeroBitCount }
    return IPAddress(bytes: bytes[index * shape.address..<(index + 1) * shape.address])
      .flatMap { IPPrefix($0, length: length) }
  }
}
