import CNetlink
import Glibc
import NetTypes

/// A netlink message under construction.
///
/// libnl sizes a message for one page; everything here is far below, so putting an attribute cannot fail but for a bug.
@safe
struct Request: ~Copyable {
  let handle: OpaquePointer
  let operation: String

  /// - Parameters:
  ///   - type: `RTM_NEWLINK` and its like.
  ///   - flags: `NLM_F_*`; request and acknowledgement are added when it is sent.
  ///   - header: the message's fixed part, `ifinfomsg` and its like.
  ///   - operation: what it does, for errors.
  /// - Throws: ENOMEM.
  init<Header: BitwiseCopyable>(
    _ type: Int, _ flags: Int32 = 0, _ header: Header, doing operation: String
  ) throws(KernelError) {
    guard let handle = unsafe nlmsg_alloc_simple(Int32(type), flags) else {
      throw KernelError(operation, errno: .ENOMEM, reason: "out of memory")
    }
    unsafe self.handle = handle
    self.operation = operation
    append(header)
  }

  deinit { unsafe nlmsg_free(handle) }

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

  /// A string with its terminating zero.
  func put(_ type: Int, _ text: String) { put(type, bytes: Array(text.utf8) + [0]) }

  func put(_ type: Int, bytes: [UInt8]) {
    let status = unsafe nla_put(handle, Int32(type), Int32(bytes.count), bytes)
    precondition(status == 0, "netlink message full")
  }

  /// An attribute that holds attributes.
  func nest(_ type: Int, _ body: () -> Void) {
    guard let start = unsafe nla_nest_start(handle, Int32(type)) else { preconditionFailure("netlink message full") }
    body()
    unsafe nla_nest_end(handle, start)
  }
}

func withBytes<Value: BitwiseCopyable>(of value: Value) -> [UInt8] {
  unsafe withUnsafeBytes(of: value) { unsafe Array($0) }
}
