public import CNI
public import NetTypes

/// How the haproxy process of a service passes connections on.
public struct ServiceProxy: Hashable, Sendable {
  public enum Mode: String, TextCodable, CaseIterable {
    case tcp
    case http

    public static let expectedForm = "tcp or http"

    public init?(_ text: String) { self.init(rawValue: text) }

    public var description: String { rawValue }
  }

  public var mode = Mode.tcp
  /// The PEM file with which the process ends TLS; `nil`: no TLS.
  public var certificate: String?

  public init() {}
}

extension ServiceProxy: JSONReadable {
  public var json: JSONValue {
    .record(["mode": .text(mode), "certificate": certificate.map { .string($0) }])
  }

  /// - Throws: code 7 for a value that is not valid.
  public init(_ json: JSONReader) throws(CNIError) {
    mode = try json.parsed("mode") ?? .tcp
    guard let certificate = json["certificate"] else { return }
    let path = try certificate.text()
    // haproxy's configuration takes text in single quotes as it is.
    guard path.utf8.first == UInt8(ascii: "/"), path.utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "'") }) else {
      throw certificate.refusal("an absolute path without '")
    }
    self.certificate = path
  }
}

extension BackEnd {
  /// A name for the address and port: `service_random_4_tcp_HASH`, with haproxy `proxy_random_4_tcp_HASH`.
  ///
  /// Members with different values of what all members must have in common have different names.
  public var frontName: String {
    var front = [service, address?.description ?? "", "\(port)"]
    if let proxy {
      front += [proxy.json, health?.json].map { $0.map { String(decoding: $0.bytes, as: UTF8.self) } ?? "" }
    }
    let kind = "\(scheduler)_\(family.digit)_\(transport)"
    return "\(proxy == nil ? "service" : "proxy")_\(kind)_\(AttachmentID.shortHash(front.joined(separator: " ")))"
  }
}
