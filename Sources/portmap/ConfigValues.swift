import CNI
import NetTypes
import PacketFilter

/// A range of ports, both ends included: `49000-49900`.
struct PortRange: TextCodable {
  static let expectedForm = "two ports from 1 to 65535, the lower one first: 49000-49900"

  let ports: ClosedRange<UInt16>

  init(_ ports: ClosedRange<UInt16>) { self.ports = ports }

  init?(_ text: String) {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) ?? 0 }
    guard ends.count == 2, ends[0] > 0, ends[0] <= ends[1] else { return nil }
    ports = ends[0]...ends[1]
  }

  var description: String { "\(ports.lowerBound)-\(ports.upperBound)" }
}

/// A chain name that needs no quotes in iptables or nft.
struct ChainName: TextCodable {
  static let expectedForm =
    "a chain's name of 1 to 28 letters, digits, '_', '.' or '-', a letter first, not a built-in chain"

  let description: String

  private static let kernels: Set<String> = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]

  init?(_ text: String) {
    guard let first = text.first, first.isASCII, first.isLetter, text.utf8.count <= 28, !Self.kernels.contains(text),
      text.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "_.-".contains($0)) })
    else { return nil }
    description = text
  }
}

/// Further matches for every rule of a family, in the syntax of one backend.
struct Conditions: Equatable, Sendable {
  var words: [String]
  /// The backend of the syntax: words for iptables begin with `-` or `!`.
  var style: Backend

  /// `nil` for an empty list.
  ///
  /// - Throws: code 7 for words that could end the rule and start another statement.
  init?(_ json: JSONReader) throws(CNIError) {
    let elements = try json.elements()
    guard let first = try elements.first?.text() else { return nil }
    style = first.hasPrefix("-") || first.hasPrefix("!") ? .iptables : .nftables
    words = []
    var depth = 0
    for element in elements {
      let word = try element.text()
      guard !word.isEmpty, !word.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else {
        throw element.refusal("words without control characters")
      }
      if style == .nftables {
        guard isHarmless(word) else { throw element.refusal("no ; # $ \\ ' or `, and quotes only around a word") }
        for character in word {
          depth += character == "{" ? 1 : character == "}" ? -1 : 0
          guard (0...1).contains(depth) else { throw element.refusal("braces in pairs") }
        }
      }
      words.append(word)
    }
    guard depth == 0 else { throw json.refusal("braces in pairs") }
  }
}

/// Whether nft reads the word as part of its rule only.
private func isHarmless(_ word: String) -> Bool {
  guard !word.contains(where: { ";#$\\'`".contains($0) }) else { return false }
  guard word.contains("\"") else { return true }
  return word.count > 2 && word.hasPrefix("\"") && word.hasSuffix("\"") && !word.dropFirst().dropLast().contains("\"")
}
