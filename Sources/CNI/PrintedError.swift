/// An error as a plugin printed it (spec section 5).
public struct PrintedError: JSONReadable, Equatable, Sendable {
  public var code: CNIError.Code?
  public var message: String?
  public var details: String

  public init(_ json: JSONReader) throws(CNIError) {
    code = try json.integer("code").flatMap(UInt32.init(exactly:)).map(CNIError.Code.init)
    message = try json.text("msg")
    details = try json.text("details") ?? ""
  }
}
