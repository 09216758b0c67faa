import CNI
import CNIJSON
import Linux

/// What a program said.
struct Outcome: CustomStringConvertible {
  /// The exit status; 128 + n for one that signal n ended.
  var status: Int32
  var output: String
  var errors: String

  init(_ child: ChildOutput) {
    status = child.status
    output = String(decoding: child.output, as: UTF8.self)
    errors = String(decoding: child.errors, as: UTF8.self)
  }

  var isSuccess: Bool { status == 0 }

  /// Standard output as one JSON document; `nil` where it is anything else.
  var json: JSONValue? { try? CNIJSON.decodeValue(Array(output.utf8)) }

  /// The error's code; `nil` for a success.
  var code: Int? { isSuccess ? nil : json?.text("code").flatMap { Int($0) } }

  /// The error's words.
  var complaint: String {
    isSuccess ? "" : [json?.text("msg"), json?.text("details")].compactMap(\.self).joined(separator: "; ")
  }

  /// - Returns: the result of a call that had to succeed.
  func result() throws -> JSONValue {
    guard isSuccess, let json else { throw Unexpected(outcome: self) }
    return json
  }

  var description: String { "status \(status), output \(output), errors \(errors)" }

  struct Unexpected: Error { var outcome: Outcome }
}
