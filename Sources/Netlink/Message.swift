import CNetlink
import NetTypes

/// One received netlink message: its type, its flags and the bytes after the netlink header.
struct Message: Equatable {
  var type: Int
  var flags: Int
  var sequence: UInt32
  var payload: ArraySlice<UInt8>

  static let headerSize = 16

  /// Splits the bytes of one `recv`; stops at the first message that is longer than the rest.
  static func split(_ bytes: ArraySlice<UInt8>) -> [Message] {
    var messages: [Message] = []
    messages.reserveCapacity(bytes.count / 64)
    let span = bytes.span
    var start = 0
    while let length = span.integer(at: start, as: UInt32.self).map(Int.init), length >= headerSize,
      length <= span.count - start
    {
      let first = bytes.startIndex + start
      messages.append(
        Message(
          type: Int(span.integer(at: start + 4, as: UInt16.self) ?? 0),
          flags: Int(span.integer(at: start + 6, as: UInt16.self) ?? 0),
          sequence: span.integer(at: start + 8, as: UInt32.self) ?? 0,
          payload: bytes[first + headerSize..<first + length]))
      start += aligned(length)
    }
    return messages
  }

  /// The attributes after a fixed part of `size` bytes.
  func attributes(after size: Int) -> Attributes { Attributes(payload.dropFirst(aligned(size))) }
}

/// A list of netlink attributes.
struct Attributes {
  private let bytes: ArraySlice<UInt8>
  /// Where the first attributes are; in place, because a dump has thousands of messages with few attributes.
  private var first: InlineArray<12, Place> = .init(repeating: Place(type: 0, start: 0, end: 0))
  private var count = 0
  private var others: [Place] = []

  private struct Place {
    var type: UInt16
    var start: Int32
    var end: Int32
  }

  /// Parses up to the first attribute that is longer than the rest; if a type occurs twice, the last one is used.
  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    var first = first, others: [Place] = [], count = 0
    Attributes.read(bytes) { type, value in
      let place = Place(type: UInt16(type), start: Int32(value.lowerBound), end: Int32(value.upperBound))
      if count < first.count { first[count] = place } else { others.append(place) }
      count += 1
    }
    (self.first, self.others, self.count) = (first, others, count)
  }

  /// Calls `found` with the type and the indices of each attribute.
  private static func read(_ bytes: ArraySlice<UInt8>, _ found: (Int, Range<Int>) -> Void) {
    let span = bytes.span
    var start = 0
    while let length = span.integer(at: start, as: UInt16.self).map(Int.init), length >= 4,
      length <= span.count - start
    {
      let first = bytes.startIndex + start
      // The two high bits are flags: nested, network byte order.
      found(Int(span.integer(at: start + 2, as: UInt16.self) ?? 0) & 0x3FFF, first + 4..<first + length)
      start += aligned(length)
    }
  }

  subscript(type: Int) -> ArraySlice<UInt8>? {
    if !others.isEmpty {
      for place in others.reversed() where Int(place.type) == type { return bytes[Int(place.start)..<Int(place.end)] }
    }
    for index in (0..<min(count, first.count)).reversed() where Int(first[index].type) == type {
      return bytes[Int(first[index].start)..<Int(first[index].end)]
    }
    return nil
  }

  func nested(_ type: Int) -> Attributes? { self[type].map(Attributes.init) }

  /// Every attribute of type `inner` inside the one of type `outer`, in order.
  func all(_ outer: Int, _ inner: Int) -> [ArraySlice<UInt8>] {
    var found: [ArraySlice<UInt8>] = []
    guard let list = self[outer] else { return found }
    Attributes.read(list) { type, value in if type == inner { found.append(list[value]) } }
    return found
  }

  func integer<Value: FixedWidthInteger>(_ type: Int, as: Value.Type = Value.self) -> Value? {
    self[type]?.integer(at: 0, as: Value.self)
  }

  /// The text up to the first NUL.
  func string(_ type: Int) -> String? {
    self[type].map { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

/// An `NLMSG_ERROR` message: the kernel's errno (0 for an acknowledgement) and its message text.
struct Acknowledgement: Equatable {
  var errno: Errno
  var text: String

  /// `nil` if the message is too short.
  init?(_ message: Message) {
    guard let code = message.payload.integer(at: 0, as: Int32.self) else { return nil }
    errno = Errno(code == .min ? .max : -code)
    text = ""
    guard message.flags & Int(NLM_F_ACK_TLVS) != 0 else { return }
    // The kernel returns the request's header; also the rest of the request, unless NLM_F_CAPPED is set.
    var echoed = Message.headerSize
    if message.flags & Int(NLM_F_CAPPED) == 0 {
      echoed = max(echoed, Int(message.payload.integer(at: 4, as: UInt32.self) ?? 0))
    }
    guard echoed <= message.payload.count else { return }
    let attributes = Attributes(message.payload.dropFirst(4 + aligned(echoed)))
    text = attributes.string(Int(NLMSGERR_ATTR_MSG.rawValue)) ?? ""
  }
}

private func aligned(_ length: Int) -> Int { (length + 3) & ~3 }

extension ArraySlice<UInt8> {
  /// A number in host byte order, `offset` bytes from the start; `nil` past the end.
  func integer<Value: FixedWidthInteger>(at offset: Int, as type: Value.Type) -> Value? {
    span.integer(at: offset, as: type)
  }
}

extension Span<UInt8> {
  /// As that of `ArraySlice`, without its count of references: a dump has thousands of messages.
  func integer<Value: FixedWidthInteger>(at offset: Int, as: Value.Type) -> Value? {
    let size = MemoryLayout<Value>.size
    guard offset >= 0, count >= offset + size else { return nil }
    var value: Value = 0
    for index in (0..<size).reversed() { value = value << 8 | Value(truncatingIfNeeded: self[offset + index]) }
    return value
  }
}
