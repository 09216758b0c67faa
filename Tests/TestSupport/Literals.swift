public import CNI
public import NetTypes

extension InterfaceName: ExpressibleByStringLiteral {
  public init(stringLiteral text: String) { self.init(checked: text) }
}

extension LosslessStringConvertible {
  /// Parses a literal of a test; a malformed one ends the process.
  fileprivate init(checked text: String) {
    guard let value = Self(text) else { fatalError("\(text) is no \(Self.self)") }
    self = value
  }
}

extension IPAddress: ExpressibleByStringLiteral {
  public init(stringLiteral text: String) { self.init(checked: text) }
}

extension IPPrefix: ExpressibleByStringLiteral {
  public init(stringLiteral text: String) { self.init(checked: text) }
}

extension MACAddress: ExpressibleByStringLiteral {
  public init(stringLiteral text: String) { self.init(checked: text) }
}

extension NetworkName: ExpressibleByStringLiteral {
  public init(stringLiteral text: String) { self.init(checked: text) }
}

extension ContainerID: ExpressibleByStringLiteral {
  public init(stringLiteral text: String) { self.init(checked: text) }
}
