import CNftables
import Glibc
import Kernel
import Linux
import NetTypes
import Netfilter

/// A netfilter netlink socket; it stays in the network namespace in which it was opened.
@safe
struct RulesetSocket: ~Copyable {
  let descriptor: Descriptor

  deinit { LateClosing.keep(descriptor) }

  static func open() throws(KernelError) -> RulesetSocket {
    let raw = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), NETLINK_NETFILTER)
    guard raw >= 0 else { throw KernelError(errno: .last, doing: "open netfilter socket") }
    return RulesetSocket(descriptor: Descriptor(adopting: raw))
  }

  /// The use count of the chain; `nil` if the chain is missing.
  borrowing func uses(of chain: String, _ table: Table) throws(KernelError) -> Int? {
    let answers = try ask(RulesetMessages.chain(chain, table), doing: "look for chain \(chain)")
    return answers.first.flatMap { RulesetMessages.listedChain($0) }?.uses
  }

  /// The chains of our table; empty if the table is missing.
  borrowing func chains(_ table: Table) throws(KernelError) -> [ListedChain] {
    try ask(RulesetMessages.chains(table), doing: "list chains of \(table.name)")
      .compactMap { RulesetMessages.listedChain($0) }
  }

  /// The rules of the chain; empty if the chain is missing.
  borrowing func rules(of chain: String, _ table: Table) throws(KernelError) -> [ListedRule] {
    try ask(RulesetMessages.rules(of: chain, table), doing: "list rules of \(chain)")
      .map { RulesetMessages.listedRule($0) }
  }

  borrowing func ruleCount(of chain: String, _ table: Table) throws(KernelError) -> Int {
    try rules(of: chain, table).count
  }

  /// The element with that key; `nil` if it is missing.
  borrowing func element(_ key: [Field], of set: SetSpec) throws(KernelError) -> ListedElement? {
    try ask(RulesetMessages.element(key.bytes, of: set), doing: "look for \(key.text) in \(set.name)")
      .flatMap { RulesetMessages.listedElements($0) }.first
  }

  /// The elements of the set; empty if the set is missing.
  borrowing func elements(of set: SetSpec) throws(KernelError) -> [ListedElement] {
    try ask(RulesetMessages.elements(of: set), doing: "list \(set.name)").flatMap { RulesetMessages.listedElements($0) }
  }

  /// The answers, empty if the object is missing; repeats the request if the ruleset changed during the dump.
  ///
  /// Reads no answer after one that `isEnough`; then the socket cannot be used again.
  borrowing func ask(
    _ request: NftMessage, doing operation: @autoclosure () -> String,
    until isEnough: (ArraySlice<UInt8>) -> Bool = { _ in false }
  ) throws(KernelError) -> [ArraySlice<UInt8>] {
    let message = request.bytes(1)
    for _ in 0..<100 {
      let sent = unsafe send(descriptor.raw, message, message.count, 0)
      guard sent == message.count else { throw KernelError(errno: .last, doing: operation()) }
      do throws(KernelError) {
        if let answers = try collect(operation(), until: isEnough) { return answers }
      } catch {
        discardAnswers()
        throw error
      }
    }
    throw KernelError(errno: .EAGAIN, doing: operation())
  }

  /// Discards unread answers: the socket would deliver them as the answer to the next request.
  borrowing func discardAnswers() {
    while recv(descriptor.raw, nil, 0, Int32(MSG_DONTWAIT)) >= 0 || errno == EINTR {}
  }

  /// The answers; `nil` if the ruleset changed during the dump (`NLM_F_DUMP_INTR`).
  private borrowing func collect(
    _ operation: @autoclosure () -> String, until isEnough: (ArraySlice<UInt8>) -> Bool
  ) throws(KernelError) -> [ArraySlice<UInt8>]? {
    var answers: [ArraySlice<UInt8>] = []
    var isTorn = false
    while true {
      var rest = try descriptor.receive(doing: operation())[...]
      while rest.count >= NftMessage.headerSize {
        let length = Int(integer(rest, 0, 4))
        guard length >= NftMessage.headerSize, length <= rest.count else { break }
        if integer(rest, 6, 2) & UInt64(NLM_F_DUMP_INTR) != 0 { isTorn = true }
        let payload = rest.prefix(length).dropFirst(NftMessage.headerSize)
        switch Int32(integer(rest, 4, 2)) {
        case NLMSG_DONE, NLMSG_ERROR:
          let code = Errno(-Int32(truncatingIfNeeded: integer(payload, 0, 4)))
          if code == .EINTR || isTorn { return nil }
          guard code == .none || code == .ENOENT else { throw KernelError(errno: code, doing: operation()) }
          return code == .none ? answers : []
        default:
          answers.append(payload)
          if isEnough(payload) { return answers }
        }
        rest = rest.dropFirst((length + 3) & ~3)
      }
    }
  }
}

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
}
