import CLinux
import CNetlink
import Glibc
import Kernel
import Linux
import NetTypes

/// A netlink socket; it stays in the network namespace in which it was opened.
@safe
public struct NetlinkSocket: ~Copyable {
  private let handle: OpaquePointer
  /// Gets a step for each request that reads; a change is a step of `LiveKernel.apply`.
  var journal: Journal?

  private init(adopting handle: OpaquePointer) { unsafe self.handle = handle }

  /// Opens a socket in the calling thread's network namespace; `family` is `NETLINK_ROUTE` or another netlink family.
  static func open(_ family: Int32 = NETLINK_ROUTE) throws(KernelError) -> NetlinkSocket {
    guard let handle = unsafe nl_socket_alloc() else {
      throw KernelError("allocate netlink socket", errno: .ENOMEM, reason: "out of memory")
    }
    let socket = unsafe NetlinkSocket(adopting: handle)  // owned from here: every throw below frees it
    let status = unsafe nl_connect(handle, family)
    guard status == 0 else { throw KernelError(library: status, doing: "connect netlink socket") }
    // The buffer holds the largest message that the kernel sends, so libnl need not peek: one `recv` per message.
    unsafe nl_socket_disable_msg_peek(handle)
    unsafe nl_socket_set_msg_buf_size(handle, 32 << 10)
    guard unsafe cl_netlink_options(nl_socket_get_fd(handle)) == 0 else {
      throw KernelError(errno: .last, doing: "set netlink socket options")
    }
    if family == NETLINK_NETFILTER { LateClosing.keep(raw: unsafe nl_socket_get_fd(handle)) }
    return socket
  }

  deinit { unsafe nl_socket_free(handle) }

  /// Sends a request that changes something.
  ///
  /// - Throws: ENOBUFS or ENOMEM also if the kernel had no memory for the answer; the change may have been made then.
  borrowing func perform(_ request: borrowing Request) throws(KernelError) {
    let sequence = try send(request)
    do throws(KernelError) {
      _ = try answers(to: sequence, request.operation)
    } catch  where error.isLostAnswer && hasMore {
      // The kernel sends the answer before `send` returns, so it may still be in the queue.
      _ = try answers(to: sequence, request.operation)
    }
  }

  /// Sends requests that change something, many in one message; each of them has an answer.
  ///
  /// - Parameters:
  ///   - count: the number of requests.
  ///   - request: makes the one with that number.
  ///   - isAccepted: whether to go on after such an error of the request with that number.
  /// - Throws: the first error that is not accepted; the kernel has carried out the requests before it, and perhaps some
  ///   after it.
  borrowing func perform(
    count: Int, _ request: (Int) throws(KernelError) -> Request, isAccepted: (Int, KernelError) -> Bool
  ) throws(KernelError) {
    for first in stride(from: 0, to: count, by: Self.batch) {
      let numbers = first..<min(first + Self.batch, count)
      var bytes: [UInt8] = [], start: UInt32?
      for number in numbers {
        let request = try request(number), sequence = unsafe nl_socket_use_seq(handle)
        if start == nil { start = sequence }
        bytes += unsafe request.bytes(sequence, for: handle)
      }
      guard let start else { return }
      let status = unsafe nl_sendto(handle, &bytes, bytes.count)
      guard status >= 0 else { throw KernelError(library: status, doing: try request(first).operation) }
      for (number, errno, text) in try answers(toBatch: numbers, from: start) where errno != .none {
        var error = KernelError(errno: errno, doing: try request(number).operation)
        error.kernelMessage = text
        guard isAccepted(number, error) else { throw error }
      }
    }
  }

  /// The number of requests in one message: the socket's buffer has room for so many answers.
  private static var batch: Int { 64 }

  /// The errors of all requests with these numbers, the first of which has the sequence number `start`.
  private borrowing func answers(
    toBatch numbers: Range<Int>, from start: UInt32
  ) throws(KernelError) -> [(number: Int, errno: Errno, text: String)] {
    var answers: [(number: Int, errno: Errno, text: String)] = []
    while answers.count < numbers.count {
      for message in Message.split(try receive("change the host")[...]) where message.type == Int(NLMSG_ERROR) {
        let offset = Int(message.sequence &- start)
        guard offset < numbers.count, let answer = Acknowledgement(message) else { continue }
        answers.append((numbers.lowerBound + offset, answer.errno, answer.text))
      }
    }
    return answers
  }

  /// The answer to a request for one object; `nil` if the kernel returns an errno of `absent`.
  borrowing func ask(_ request: borrowing Request, absent: Set<Errno> = []) throws(KernelError) -> Message? {
    do throws(KernelError) {
      return try query(request).first
    } catch  where absent.contains(error.errno) {
      return nil
    }
  }

  /// The answers to a request with `NLM_F_DUMP`; repeats the request if objects changed during the dump.
  borrowing func dump(_ request: borrowing Request) throws(KernelError) -> [Message] {
    for _ in 0..<5 {
      let messages = try query(request)
      if !messages.contains(where: { $0.flags & Int(NLM_F_DUMP_INTR) != 0 }) { return messages }
    }
    throw KernelError(errno: .EINTR, doing: request.operation)
  }

  /// Combines the messages of a dump as they arrive, without keeping them; begins again if objects changed during the dump.
  borrowing func fold<Value>(
    _ request: borrowing Request, into start: Value, _ combine: (inout Value, _ type: Int, Span<UInt8>) -> Void
  ) throws(KernelError) -> Value {
    for _ in 0..<5 {
      var value = start, isInterrupted = false
      let sequence = try send(request)
      try receiveAnswers(to: sequence, request.operation) { header, bytes in
        isInterrupted = isInterrupted || header.flags & Int(NLM_F_DUMP_INTR) != 0
        combine(&value, header.type, bytes.span.extracting(header.payload))
      }
      if !isInterrupted { return value }
    }
    throw KernelError(errno: .EINTR, doing: request.operation)
  }

  /// Sends a request that changes nothing; repeats it once if an answer was lost.
  private borrowing func query(_ request: borrowing Request) throws(KernelError) -> [Message] {
    guard let journal else { return try sendQuery(request) }
    return try journal.step(request.operation) { () throws(KernelError) in try sendQuery(request) }
  }

  private borrowing func sendQuery(_ request: borrowing Request) throws(KernelError) -> [Message] {
    do throws(KernelError) {
      return try answers(to: send(request), request.operation)
    } catch  where error.isLostAnswer {
      // The rest of the first answer would be read as the second one.
      while hasMore { discardNext() }
      return try answers(to: send(request), request.operation)
    }
  }

  /// - Returns: the sequence number of the answers.
  private borrowing func send(_ request: borrowing Request) throws(KernelError) -> UInt32 {
    let sequence = unsafe nl_socket_use_seq(handle)
    unsafe nlmsg_hdr(request.handle).pointee.nlmsg_seq = sequence
    let status = unsafe nl_send_auto(handle, request.handle)
    guard status >= 0 else { throw KernelError(library: status, doing: request.operation) }
    return sequence
  }

  /// The answers up to the acknowledgement or to the end of the dump.
  private borrowing func answers(to sequence: UInt32, _ operation: String) throws(KernelError) -> [Message] {
    var answers: [Message] = []
    try receiveAnswers(to: sequence, operation) { header, bytes in answers.append(Message(header, of: bytes[...])) }
    return answers
  }

  private borrowing func receiveAnswers(
    to sequence: UInt32, _ operation: @autoclosure () -> String, _ body: (MessageHeader, [UInt8]) -> Void
  ) throws(KernelError) {
    while true {
      let bytes = try receive(operation())
      var start = 0
      while let header = MessageHeader(bytes.span, at: start) {
        start = header.end
        guard header.sequence == sequence else { continue }
        switch Int32(header.type) {
        case NLMSG_DONE: return
        case NLMSG_ERROR: return try check(Message(header, of: bytes[...]), doing: operation())
        default: body(header, bytes)
        }
      }
    }
  }

  /// Whether the kernel has sent messages that are not received yet.
  private var hasMore: Bool {
    var wait = unsafe pollfd(fd: nl_socket_get_fd(handle), events: Int16(POLLIN), revents: 0)
    return unsafe poll(&wait, 1, 0) > 0 && wait.revents & Int16(POLLIN) != 0
  }

  /// Discards one message.
  ///
  /// `receive` cannot be used: the compiler frees an unused array that is made from a C buffer before it is filled.
  private func discardNext() { _ = unsafe recv(nl_socket_get_fd(handle), nil, 0, Int32(MSG_DONTWAIT)) }

  private func check(_ message: Message, doing operation: String) throws(KernelError) {
    guard let answer = Acknowledgement(message) else { throw KernelError(errno: .EPROTO, doing: operation) }
    guard answer.errno != .none else { return }
    var error = KernelError(errno: answer.errno, doing: operation)
    error.kernelMessage = answer.text
    throw error
  }

  private borrowing func receive(_ operation: @autoclosure () -> String) throws(KernelError) -> [UInt8] {
    var sender = sockaddr_nl()
    var buffer: UnsafeMutablePointer<UInt8>?
    let count = unsafe nl_recv(handle, &sender, &buffer, nil)
    guard count > 0, let buffer = unsafe buffer else {
      let error = Errno.last
      throw count < 0 && error != .none
        ? KernelError(errno: error, doing: operation()) : KernelError(library: count, doing: operation())
    }
    defer { unsafe free(buffer) }
    return unsafe Array(UnsafeBufferPointer(start: buffer, count: Int(count)))
  }
}

extension KernelError {
  /// An error of libnl, which did not send the request.
  init(library status: Int32, doing operation: String) {
    self.init(operation, errno: .none, reason: unsafe String(cString: nl_geterror(status)))
  }
}
