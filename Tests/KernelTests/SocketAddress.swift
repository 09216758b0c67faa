import Glibc
import NetTypes

/// Calls `body` with a socket address in the form of the C library.
func withSocketAddress<Value>(
  _ address: IPAddress, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value
) -> Value {
  var bytes = [UInt8](repeating: 0, count: address.family == .v4 ? 16 : 28)
  bytes[0] = UInt8(address.family == .v4 ? AF_INET : AF_INET6)
  bytes[2] = UInt8(port >> 8)
  bytes[3] = UInt8(port & 0xFF)
  let start = address.family == .v4 ? 4 : 8
  bytes.replaceSubrange(start..<start + address.bytes.count, with: address.bytes)
  let count = socklen_t(bytes.count)
  return unsafe bytes.withUnsafeBytes { raw in
    guard let base = raw.baseAddress else { fatalError("an empty socket address") }
    return unsafe body(base.assumingMemoryBound(to: sockaddr.self), count)
  }
}
