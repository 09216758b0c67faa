import Glibc
import Linux
import NetTypes
import Netfilter

extension RulesetSocket {
  /// Makes all changes or none.
  ///
  /// - Throws: the kernel's first error, with the change that it refused; ENOBUFS if its answer was lost.
  borrowing func carryOut(
    _ changes: [RulesetChange], doing operation: @autoclosure () -> String
  ) throws(KernelError) {
    let batch = ChangeMessages(changes)
    guard let refusal = try commit(batch.messages, doing: operation()) else { return }
    throw KernelError(
      errno: refusal.errno, doing: operation(), refused: refusal.message.map { changes[batch.changes[$0]].text })
  }

  /// Changes other programs' tables: makes all changes or none.
  ///
  /// - Throws: the kernel's first error; ENOENT if something was gone already.
  borrowing func change(_ changes: [NftMessage], doing operation: @autoclosure () -> String) throws(KernelError) {
    guard let refusal = try commit(changes, doing: operation()) else { return }
    throw KernelError(errno: refusal.errno, doing: operation())
  }

  /// The first error of a transaction.
  private struct Refusal: Equatable {
    var errno: Errno
    /// The index of the message; `nil` if the kernel refused the whole transaction.
    var message: Int?
  }

  /// Sends the messages as one transaction; the result is `nil` if the kernel made all changes.
  ///
  /// No generation is checked: every message fails by itself if what it needs has changed.
  private borrowing func commit(
    _ messages: [NftMessage], doing operation: @autoclosure () -> String
  ) throws(KernelError) -> Refusal? {
    guard !messages.isEmpty else { return nil }
    if messages.contains(where: { $0.isDeletion }) { LateClosing.noteDeletion() }
    var batch = NftMessage.begin()
    for (index, message) in messages.enumerated() {
      var message = message
      // The kernel reports every error, and an acknowledgement of the last message if there is none.
      if index == messages.count - 1 { message.flags |= NftMessage.Flags.acknowledge }
      message.append(to: &batch, UInt32(index + 1))
    }
    batch += NftMessage.end
    makeRoom(for: batch.count)
    let sent = unsafe send(descriptor.raw, batch, batch.count, 0)
    guard sent == batch.count else { throw KernelError(errno: .last, doing: operation()) }
    var isComplete = false
    // More than the first error is of no use; the socket would deliver it as the answer to the next request.
    defer { if !isComplete { discardAnswers() } }
    let refusal = try readRefusal(of: UInt32(messages.count), operation())
    isComplete = refusal == nil
    return refusal
  }

  /// Lets the kernel take a batch that is longer than usual; without the right to, `send` fails with EMSGSIZE.
  private borrowing func makeRoom(for size: Int) {
    guard size > Self.ordinaryBatch else { return }
    var room = Int32(clamping: size)
    let length = socklen_t(MemoryLayout<Int32>.size)
    guard unsafe setsockopt(descriptor.raw, SOL_SOCKET, SO_SNDBUFFORCE, &room, length) != 0 else { return }
    _ = unsafe setsockopt(descriptor.raw, SOL_SOCKET, SO_SNDBUF, &room, length)
  }

  private static let ordinaryBatch = 128 << 10

  /// Reads the answers up to that of the last message.
  ///
  /// The kernel has sent all of them when `send` returns, so there is nothing to wait for.
  private borrowing func readRefusal(
    of last: UInt32, _ operation: @autoclosure () -> String
  ) throws(KernelError) -> Refusal? {
    var hasLostAnswers = false
    while true {
      let answers: [UInt8]
      do throws(KernelError) { answers = try descriptor.receive(flags: Int32(MSG_DONTWAIT), doing: operation()) } catch
      {
        if error.errno == .ENOBUFS, !hasLostAnswers {
          hasLostAnswers = true  // those before the loss can still be read
          continue
        }
        throw error.errno == .EWOULDBLOCK ? KernelError(errno: .ENOBUFS, doing: operation()) : error
      }
      var rest = answers[...]
      while rest.count >= NftMessage.headerSize + 4 {
        let length = Int(integer(rest, 0, 4))
        guard length >= NftMessage.headerSize + 4, length <= rest.count else { break }
        let sequence = UInt32(truncatingIfNeeded: integer(rest, 8, 4))
        let code = -Int32(truncatingIfNeeded: integer(rest, NftMessage.headerSize, 4))
        if code != 0 { return Refusal(errno: Errno(code), message: sequence == 0 ? nil : Int(sequence) - 1) }
        if sequence == last { return nil }
        rest = rest.dropFirst((length + 3) & ~3)
      }
    }
  }
}

extension KernelError {
  fileprivate init(errno: Errno, doing operation: String, refused change: String?) {
    self.init(errno: errno, doing: operation)
    kernelMessage = change.map { "the kernel refused: \($0)" } ?? ""
  }
}
