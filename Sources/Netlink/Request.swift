import CNetlink
import Glibc
import NetTypes

/// A netlink message under construction.
///
/// libnl allocates one page for a message; all messages here are much shorter, so adding an attribute fails only by a bug.
@safe
public struct Request: ~Copyable {
  let handle: OpaquePointer
  /// Written only for an error or the journal: some requests are sent by the thousand.
  private let describe: () -> String

  /// What the request does.
  var operation: String { describe() }

  /// - Parameters:
  ///   - type: `RTM_NEWLINK`, for instance.
  ///   - flags: `NLM_F_*`; NLM_F_REQUEST and NLM_F_ACK are added when the message is sent.
  ///   - header: the fixed part of the message, `ifinfomsg` for instance.
  ///   - operation: what the request does, for errors.
  /// - Throws: ENOMEM.
  init<Header: BitwiseCopyable>(
    _ type: Int, _ flags: Int32 = 0, _ header: Header,
    doing operation: @escaping @autoclosure () -> String
  ) throws(KernelError) {
    guard let handle = unsafe nlmsg_alloc_simple(Int32(type), flags) else {
      throw KernelError(operation(), errno: .ENOMEM, reason: "out of memory")
    }
    unsafe self.handle = handle
    describe = operation
    append(header)
  }

  deinit { unsafe nlmsg_free(handle) }

  /// The whole message with that sequence number, as `socket` sends it.
  func bytes(_ sequence: UInt32, for socket: OpaquePointer) -> [UInt8] {
    let header = unsafe nlmsg_hdr(handle)
    unsafe header?.pointee.nlmsg_seq = sequence
    unsafe nl_complete_msg(socket, handle)
    let count = unsafe Int(header?.pointee.nlmsg_len ?? 0)
    // Every attribute is padded, so the next message in the same buffer is aligned.
    return unsafe Array(UnsafeRawBufferPointer(start: header, count: (count + 3) & ~3))
  }

  /// Appends a fixed structure.
  func append<Header: BitwiseCopyable>(_ header: Header) {
    var header = header
    let status = unsafe nlmsg_append(handle, &header, MemoryLayout<Header>.size, Int32(NLMSG_ALIGNTO))
    precondition(status == 0, "netlink message full")
  }

  func put(_ type: Int, _ value: UInt32) { put(type, bytes: withBytes(of: value)) }
  func put(_ type: Int, _ value: UInt16) { put(type, bytes: withBytes(of: value)) }
  func put(_ type: Int, bigEndian value: UInt16) { put(type, bytes: [UInt8(value >> 8), UInt8(value & 0xFF)]) }
  func put(_ type: Int, _ value: Int32) { put(type, bytes: withBytes(of: value)) }
  func put(_ type: Int, _ value: Bool) { put(type, bytes: [value ? 1 : 0]) }

  /// Adds a string with its terminating NUL.
  func put(_ type: Int, _ text: String) { put(type, bytes: Array(text.utf8) + [0]) }

  func put(_ type: Int, bytes: [UInt8]) {
    let status = unsafe nla_put(handle, Int32(type), Int32(bytes.count), bytes)
    precondition(status == 0, "netlink message full")
  }

  /// Adds an attribute that contains attributes.
  func nest(_ type: Int, _ body: () -> Void) {
    guard let start = unsafe nla_nest_start(handle, Int32(type)) else { preconditionFailure("netlink message full") }
    body()
    unsafe nla_nest_end(handle, start)
  }
}

func withBytes<Value: BitwiseCopyable>(of value: Value) -> [UInt8] {
  unsafe withUnsafeBytes(of: value) { unsafe Array($0) }
}
