/// A name for a hosts file: RFC 1123 labels separated by dots; `_` is allowed too, because network names contain it.
///
/// Comparison ignores case (RFC 1035, section 2.3.3); the text keeps its case.
public struct HostName: TextCodable {
  public static let expectedForm =
    "a host name: labels of letters, digits, '-' or '_', not beginning or ending with '-', at most 1023 bytes"

  /// The longest name, in bytes: a line of a hosts file stays below a page.
  public static let maximumByteCount = 1023
  /// The longest name and the longest label of the DNS, in bytes (RFC 1035, section 2.3.4).
  private static let longestInDNS = 253
  private static let longestLabelInDNS = 63

  public let description: String

  public init?(_ text: String) {
    guard (1...Self.maximumByteCount).contains(text.utf8.count) else { return nil }
    let labels = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard labels.allSatisfy(Self.isLabel) else { return nil }
    // A resolver reads a text of digits and dots as an address and never looks it up.
    guard IPAddress(text) == nil else { return nil }
    description = text
  }

  private static func isLabel(_ label: Substring.UTF8View) -> Bool {
    guard !label.isEmpty else { return false }
    let hyphen = UInt8(ascii: "-")
    return label.first != hyphen && label.last != hyphen && label.allSatisfy { isAlphanumeric($0) || $0 == hyphen }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  /// Whether it is short enough for the DNS: labels of at most 63 bytes, at most 253 bytes in all (RFC 1035).
  public var fitsDNS: Bool {
    let labels = description.utf8.split(separator: UInt8(ascii: "."))
    return description.utf8.count <= Self.longestInDNS && labels.allSatisfy { $0.count <= Self.longestLabelInDNS }
  }

  /// Whether the name is reserved for loopback or a multicast group.
  ///
  /// From RFC 6761 and the standard lines of `/etc/hosts`.
  public var isReserved: Bool { Self.reserved.contains(folded) || folded.hasSuffix(".localhost") }

  private static let reserved: Set<String> = [
    "localhost", "localhost.localdomain", "localhost4", "localhost4.localdomain4", "localhost6",
    "localhost6.localdomain6", "ip6-localhost", "ip6-loopback", "ip6-localnet", "ip6-mcastprefix", "ip6-allnodes",
    "ip6-allrouters",
  ]

  /// This name with `suffix` appended: `web` and `shop` give `web.shop`; `nil` if that is too long.
  public func below(_ suffix: String) -> HostName? { HostName("\(description).\(suffix)") }

  public static func == (left: HostName, right: HostName) -> Bool { left.folded == right.folded }

  public func hash(into hasher: inout Hasher) { hasher.combine(folded) }

  private var folded: String { description.lowercased() }
}
