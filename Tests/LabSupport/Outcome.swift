public import CNI
import Linux

/// The result of a program.
public struct Outcome: Sendable, CustomStringConvertible {
  /// The exit status; 128 + n if signal n ended the process.
  public var status: Int32
  public var output: String
  public var errors: String

  init(_ child: ChildOutput) {
    status = child.status
    output = String(decoding: child.output, as: UTF8.self)
    errors = String(decoding: child.errors, as: UTF8.self)
  }

  public var isSuccess: Bool { status == 0 }

  /// Standard output as one JSON document; `nil` if it is not one.
  public var json: JSONValue? { try? CNIJSON.decodeValue(Array(output.utf8)) }

  /// The code of the CNI error; `nil` after success.
  public var code: Int? { isSuccess ? nil : json?.text("code").flatMap { Int($0) } }

  /// The text of the CNI error.
  public var complaint: String {
    isSuccess ? "" : [json?.text("msg"), json?.text("details")].compactMap(\.self).joined(separator: "; ")
  }

  /// - Throws: an error with this outcome, unless it is a success.
  public func requireSuccess() throws {
    guard isSuccess else { throw Unexpected(outcome: self) }
  }

  /// - Returns: the result of a call that must succeed.
  public func result() throws -> JSONValue {
    guard isSuccess, let json else { throw Unexpected(outcome: self) }
    return json
  }

  public var description: String { "status \(status), output \(output), errors \(errors)" }

  public struct Unexpected: Error { public var outcome: Outcome }
}
