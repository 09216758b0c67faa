/// A value with one textual form, which is also its JSON form.
public protocol TextCodable: LosslessStringConvertible, Hashable, Sendable {
  /// The expected form, for error messages: "an IPv4 or IPv6 address".
  static var expectedForm: String { get }
}
