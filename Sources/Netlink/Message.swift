import CNetlink
import NetTypes

/// One received netlink message: its type, its flags and the bytes after the netlink header.
struct Message: Equatable {
  var type: Int
  var flags: Int
  var sequence: UInt32
  var payload: ArraySlice<UInt8>

  /// Splits the bytes of one `recv`; stops at the first message that is longer than the rest.
  static func split(_ bytes: ArraySlice<UInt8>) -> [Message] {
    var messages: [Message] = []
    messages.reserveCapacity(bytes.count / 64)
    var start = 0
    while let header = MessageHeader(bytes.span, at: start) {
      messages.append(Message(header, of: bytes))
      start = header.end
    }
    return messages
  }

  /// The message of `bytes` with that header.
  init(_ header: MessageHeader, of bytes: ArraySlice<UInt8>) {
    (type, flags, sequence) = (header.type, header.flags, header.sequence)
    payload = bytes.dropFirst(header.payload.lowerBound).prefix(header.payload.count)
  }

  /// The attributes after a fixed part of `size` bytes.
  func attributes(after size: Int) -> Attributes { Attributes(payload.dropFirst(aligned(size))) }
}

/// The netlink header of a message, and where in the received bytes the rest of the message is.
struct MessageHeader {
  var type: Int
  var flags: Int
  var sequence: UInt32
  var payload: Range<Int>

  static let size = 16

  /// `nil` if the message at `start` is longer than the rest of the bytes.
  init?(_ bytes: Span<UInt8>, at start: Int) {
    guard let length = bytes.integer(at: start, as: UInt32.self).map(Int.init), length >= Self.size,
      length <= bytes.count - start
    else { return nil }
    type = Int(bytes.integer(at: start + 4, as: UInt16.self) ?? 0)
    flags = Int(bytes.integer(at: start + 6, as: UInt16.self) ?? 0)
    sequence = bytes.integer(at: start + 8, as: UInt32.self) ?? 0
    payload = start + Self.size..<start + length
  }

  /// Where the next message begins.
  var end: Int { aligned(payload.upperBound) }
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
    bytes.span.readAttributes { type, value in
      let start = bytes.startIndex + value.lowerBound, end = bytes.startIndex + value.upperBound
      let place = Place(type: UInt16(type), start: Int32(start), end: Int32(end))
      if count < first.count { first[count] = place } else { others.append(place) }
      count += 1
    }
    (self.first, self.others, self.count) = (first, others, count)
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
    list.span.readAttributes { type, value in
      if type == inner { found.append(list.dropFirst(value.lowerBound).prefix(value.count)) }
    }
    return found
  }

  func integer<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Int, as: Value.Type = Value.self) -> Value? {
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
    var echoed = MessageHeader.size
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
  func integer<Value: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: Value.Type) -> Value? {
    span.integer(at: offset, as: type)
  }
}

extension Span<UInt8> {
  /// As that of `ArraySlice`, without its count of references: a dump has thousands of messages.
  func integer<Value: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as: Value.Type = Value.self) -> Value? {
    guard offset >= 0, count - MemoryLayout<Value>.size >= offset else { return nil }
    return unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Value.self)
  }

  /// The number at the start of that place; `nil` if the place is shorter.
  func integer<Value: FixedWidthInteger & BitwiseCopyable>(at place: Range<Int>, as: Value.Type) -> Value? {
    place.count < MemoryLayout<Value>.size ? nil : integer(at: place.lowerBound)
  }

  /// Calls `found` with the type of each attribute and the place of its value, up to the first that is longer than the rest.
  @inline(__always)
  func readAttributes(after size: Int = 0, _ found: (Int, Range<Int>) -> Void) {
    var start = aligned(size)
    while let length = integer(at: start, as: UInt16.self).map(Int.init), length >= 4, length <= count - start {
      // The two high bits are flags: nested, network byte order.
      found(Int(integer(at: start + 2, as: UInt16.self) ?? 0) & 0x3FFF, start + 4..<start + length)
      start += aligned(length)
    }
  }

  /// The 4 or 16 bytes at that place as an address; `nil` if it has another size.
  func address(at place: Range<Int>) -> IPAddress? {
    switch place.count {
    case 4: integer(at: place.lowerBound).map { IPAddress(v4: UInt32(bigEndian: $0)) }
    case 16: integer(at: place.lowerBound).map { IPAddress(v6: UInt128(bigEndian: $0)) }
    default: nil
    }
  }

  /// The six bytes at that place as a MAC address; `nil` if it has another size.
  func mac(at place: Range<Int>) -> MACAddress? {
    guard place.count == 6, let high: UInt16 = integer(at: place.lowerBound),
      let low: UInt32 = integer(at: place.lowerBound + 2)
    else { return nil }
    return MACAddress(value: UInt64(UInt16(bigEndian: high)) << 32 | UInt64(UInt32(bigEndian: low)))
  }
}
