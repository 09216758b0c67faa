import CLinux
import Glibc
public import NetTypes

/// A program's Unix socket that answers one request for each connection.
public enum LocalSocket {
  /// Sends the request and reads the answer to its end.
  ///
  /// - Throws: ENOENT or ECONNREFUSED if no process listens there, ETIMEDOUT without the whole answer in time.
  public static func ask(_ path: String, _ request: String, seconds: Int) throws(KernelError) -> String {
    let socket = Descriptor(adopting: Int32(try call("connect to \(path)") { unsafe cl_connect_local(path) }))
    let deadline = Clock.now.advanced(bySeconds: seconds)
    let bytes = Array(request.utf8)
    _ = try call("write to \(path)") { unsafe send(socket.raw, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
    var answer: [UInt8] = []
    while true {
      var wait = pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)
      let ready = try call("wait for \(path)") { unsafe poll(&wait, 1, Int32(clamping: deadline.millisecondsLeft)) }
      guard ready > 0 else { throw KernelError(errno: .ETIMEDOUT, doing: "read from \(path)") }
      let size = 16384
      let chunk = try unsafe Linux.bytes(atMost: size, "read from \(path)") { unsafe recv(socket.raw, $0, size, 0) }
      if chunk.isEmpty { return String(decoding: answer, as: UTF8.self) }
      answer += chunk
    }
  }
}
