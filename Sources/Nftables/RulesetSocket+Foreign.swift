import CNftables
import Glibc
import Linux
import NetTypes

extension RulesetSocket {
  /// The longest name of a chain in bytes (`NFT_NAME_MAXLEN` without the NUL).
  private static let longestName = 255

  borrowing func has(_ chain: ForeignChain) throws(KernelError) -> Bool {
    // A long container ID makes a longer name, for which the kernel returns ERANGE.
    guard chain.name.utf8.count <= Self.longestName else { return false }
    return try !ask(ForeignMessages.chain(chain), doing: "look for chain \(chain.name)").isEmpty
  }

  /// The rules of the chain; empty if the chain is missing.
  borrowing func rules(of chain: ForeignChain) throws(KernelError) -> [ForeignRule] {
    try ask(ForeignMessages.rules(of: chain), doing: "list rules of \(chain.name)")
      .map { ForeignRule($0, in: chain) }
  }

  /// Makes all changes or none.
  ///
  /// - Throws: the kernel's first error; ENOENT if something was gone already.
  borrowing func change(_ changes: [[UInt8]], doing operation: @autoclosure () -> String) throws(KernelError) {
    let message = ForeignMessages.transaction(changes)
    let sent = unsafe send(descriptor.raw, message, message.count, 0)
    guard sent == message.count else { throw KernelError(errno: .last, doing: operation()) }
    // The kernel answers each change; if it refuses the whole transaction, it sends one more answer.
    var answered = 0
    while answered < changes.count {
      var rest = try receive(operation())[...]
      while rest.count >= RulesetMessages.headerSize {
        let length = Int(integer(rest, 0, 4))
        guard length >= RulesetMessages.headerSize, length <= rest.count else { break }
        let code = -Int32(truncatingIfNeeded: integer(rest.dropFirst(RulesetMessages.headerSize), 0, 4))
        // Further answers about a failed transaction are discarded with the socket.
        guard code == 0 else { throw KernelError(errno: Errno(code), doing: operation()) }
        answered += 1
        rest = rest.dropFirst((length + 3) & ~3)
      }
    }
  }
}
