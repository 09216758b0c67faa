func parseIPv4(_ text: ArraySlice<UInt8>) -> UInt32? {
  let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
  guard parts.count == 4 else { return nil }
  var number: UInt32 = 0
  for part in parts {
    guard let byte = parseDecimal(part), byte <= 255 else { return nil }
    number = number << 8 | UInt32(byte)
  }
  return number
}

/// Parses one to three digits without a leading zero.
func parseDecimal(_ text: ArraySlice<UInt8>) -> Int? {
  guard (1...3).contains(text.count), text.count == 1 || text.first != UInt8(ascii: "0") else { return nil }
  var number = 0
  for byte in text {
    guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
    number = number * 10 + Int(byte - UInt8(ascii: "0"))
  }
  return number
}

func formatIPv4(_ number: UInt32) -> String {
  "\(number >> 24).\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
}

func parseIPv6(_ text: ArraySlice<UInt8>) -> UInt128? {
  let colon = UInt8(ascii: ":")
  guard let gap = text.indices.dropLast().first(where: { text[$0] == colon && text[$0 + 1] == colon }) else {
    guard let groups = parseGroups(text), groups.count == 8 else { return nil }
    return join(groups)
  }
  guard let head = parseGroups(text[..<gap]), let tail = parseGroups(text[(gap + 2)...]) else { return nil }
  let missing = 8 - head.count - tail.count
  guard missing >= 1 else { return nil }
  return join(head + Array(repeating: 0, count: missing) + tail)
}

/// Parses colon-separated groups of 16 bits; the last two may be written as an IPv4 address.
private func parseGroups(_ text: ArraySlice<UInt8>) -> [UInt16]? {
  guard !text.isEmpty else { return [] }
  var groups: [UInt16] = []
  let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
  for (index, part) in parts.enumerated() {
    if index == parts.count - 1, let embedded = parseIPv4(part) {
      groups += [UInt16(embedded >> 16), UInt16(truncatingIfNeeded: embedded)]
    } else if let group = parseHex(part, digits: 1...4) {
      groups.append(UInt16(group))
    } else {
      return nil
    }
  }
  return groups.count <= 8 ? groups : nil
}

private func join(_ groups: [UInt16]) -> UInt128 {
  groups.reduce(0) { $0 << 16 | UInt128($1) }
}

func parseHex(_ text: ArraySlice<UInt8>, digits: ClosedRange<Int>) -> UInt32? {
  guard digits.contains(text.count) else { return nil }
  var number: UInt32 = 0
  for byte in text {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt32(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): number = number << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
    default: return nil
    }
  }
  return number
}

/// Formats as in RFC 5952: lower case; the longest run of two or more zero groups (the first of equal runs) as `::`.
func formatIPv6(_ number: UInt128) -> String {
  if number >> 32 == 0xFFFF { return "::ffff:" + formatIPv4(UInt32(truncatingIfNeeded: number)) }
  let groups = (0..<8).map { UInt16(truncatingIfNeeded: number >> UInt128(112 - 16 * $0)) }
  let gap = longestZeroRun(groups)
  let hex = { (part: ArraySlice<UInt16>) in part.map { String($0, radix: 16) }.joined(separator: ":") }
  guard gap.count > 1 else { return hex(groups[...]) }
  return hex(groups[..<gap.lowerBound]) + "::" + hex(groups[gap.upperBound...])
}

private func longestZeroRun(_ groups: [UInt16]) -> Range<Int> {
  var best = 0..<0
  var start = 0
  for (index, group) in groups.enumerated() {
    if group != 0 {
      start = index + 1
    } else if index + 1 - start > best.count {
      best = start..<(index + 1)
    }
  }
  return best
}
