/// A value with one textual form, which is also its JSON form.
public protocol TextCodable: LosslessStringConvertible, Hashable, Sendable {
  /// What a person has to write, for messages: "an IPv4 or IPv6 address".
  static var wanted: String { get }
}
