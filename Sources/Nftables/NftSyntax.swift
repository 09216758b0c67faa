import NetTypes
import PacketFilter

/// Checks text from the configuration that becomes part of an nft command, so that it cannot inject another command.
enum NftSyntax {
  /// The characters allowed in a word of a condition; none of them ends a word, a command or a quoted string.
  private static let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:/-_,!=<>&|^+")
  /// Words that would turn the condition into a statement, or refer to objects outside the condition.
  private static let statements: Set<String> = [
    "accept", "drop", "queue", "continue", "break", "return", "jump", "goto", "reject", "dnat", "snat", "masquerade",
    "redirect", "tproxy", "synproxy", "notrack", "dup", "fwd", "log", "counter", "quota", "limit", "set", "add",
    "delete", "update", "map", "vmap", "meter", "comment", "offload", "flow", "last", "include", "define", "redefine",
    "undefine", "table", "chain", "rule", "flush", "create", "insert", "replace", "destroy", "list", "reset", "helper",
    "xt", "nftrace", "timeout", "expectation", "secmark", "connlimit", "import", "export", "monitor", "describe",
  ]

  /// The conditions for use in front of a rule's verdict; empty if there are none.
  ///
  /// - Throws: EINVAL with the word that is not allowed in a match.
  static func checked(_ conditions: [String], of port: PublishedPort) throws(KernelError) -> String {
    var isInBraces = false
    var words: [String] = []
    for word in conditions.flatMap({ $0.split(separator: " ", omittingEmptySubsequences: false).map(String.init) }) {
      switch word {
      case "{" where !isInBraces: isInBraces = true
      case "}" where isInBraces: isInBraces = false
      case _ where !word.isEmpty && word.allSatisfy(plain.contains) && !statements.contains(word): break
      default: throw refusal(word, conditions, port)
      }
      words.append(word)
    }
    guard !isInBraces else { throw refusal("{", conditions, port) }
    return words.joined(separator: " ")
  }

  private static func refusal(_ word: String, _ conditions: [String], _ port: PublishedPort) -> KernelError {
    KernelError(
      "publish \(port) where \(conditions.joined(separator: " "))", errno: .EINVAL,
      reason: "condition \"\(word)\": want words of nft matches, such as ip saddr 10.0.0.0/8")
  }

  /// Checks a name that is put in quotation marks; a `*` at its end would be a wildcard.
  static func check(name: String) throws(KernelError) {
    let refused = name.unicodeScalars.contains { $0 == "\"" || $0 == "\\" || $0 == "*" || $0.value < 0x20 }
    guard !refused, name.utf8.count <= 119 else {
      throw KernelError(
        "write \(name) in an nftables rule", errno: .EINVAL,
        reason: "want at most 119 bytes without '\"', '\\' and '*'")
    }
  }

  /// Checks the name of a chain from the configuration.
  static func check(chain: String) throws(KernelError) {
    let bytes = Array(chain.utf8)
    let isLetter = { (byte: UInt8) in (97...122).contains(byte | 32) }
    let isPlain = bytes.allSatisfy { isLetter($0) || (48...57).contains($0) || $0 == 45 || $0 == 95 || $0 == 46 }
    let reserved =
      ["masq_", "back_", "float_", "port_", "enter_", "leave_", "serve_", "policy_", Layout.tunnelPrefix]
      + PeerSets.prefixes + [
        LinkPolicies.prefix, ServiceChains.prefix, ServiceChains.proxyPrefix, ServiceChains.addressPrefix,
      ]
    let isOurs = reserved.contains(where: chain.hasPrefix) || Layout.chains(.inet).contains { $0.name == chain }
    guard let first = bytes.first, isLetter(first), isPlain, bytes.count <= 63, !isOurs else {
      throw KernelError(
        "publish with chain \(chain)", errno: .EINVAL,
        reason:
          "want a name of 1 to 63 letters, digits, '-', '_' and '.' that begins with a letter and is not a swift-cni chain"
      )
    }
  }
}
