/// A value with one textual form, which is also its JSON form.
///
/// In JSON an optional one may also be written `""`: some runtimes send an empty string for "not given".
public protocol TextCodable: LosslessStringConvertible, Codable, Hashable, Sendable {
  /// What a person has to write, for messages: "an IPv4 or IPv6 address".
  static var wanted: String { get }
}

extension TextCodable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let value = try Self(container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "want \(Self.wanted)")
    }
    self = value
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension KeyedDecodingContainer {
  /// `nil` where the key is absent, `null` or `""`.
  public func decodeIfPresent<Value: TextCodable>(_ type: Value.Type, forKey key: Key) throws -> Value? {
    guard contains(key), try !decodeNil(forKey: key) else { return nil }
    if let text = try? decode(String.self, forKey: key), text.isEmpty { return nil }
    return try decode(type, forKey: key)
  }
}
