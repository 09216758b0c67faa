/// A version of the CNI specification that these plugins support.
public enum SpecVersion: String, CaseIterable, Comparable, Sendable {
  case v0_1_0 = "0.1.0"
  case v0_2_0 = "0.2.0"
  case v0_3_0 = "0.3.0"
  case v0_3_1 = "0.3.1"
  case v0_4_0 = "0.4.0"
  case v1_0_0 = "1.0.0"
  case v1_1_0 = "1.1.0"

  public static let latest = SpecVersion.v1_1_0

  public static func < (left: Self, right: Self) -> Bool { left.order < right.order }

  private var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }

  /// The version in a configuration; an absent or empty one means 0.1.0.
  ///
  /// - Throws: code 1, with the wanted and the supported versions in the details.
  public init(configured text: String?) throws(CNIError) {
    guard let text, !text.isEmpty else {
      self = .v0_1_0
      return
    }
    guard let version = SpecVersion(rawValue: text) else {
      let supported = Self.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " ")
      throw CNIError(
        .incompatibleVersion, "incompatible CNI versions",
        details: "config is \"\(text)\", plugin supports [\(supported)]")
    }
    self = version
  }
}
