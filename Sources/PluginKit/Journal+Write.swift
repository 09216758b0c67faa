import CNI
import Kernel
import Linux
import NetTypes

extension Journal {
  /// A journal of a call that begins now.
  convenience init() {
    let start = Clock.now
    self.init { Clock.now.microseconds(since: start) }
  }

  /// Appends the call as one line to the file `destination`; a number is a file descriptor.
  ///
  /// - Throws: an error of the file system, which does not affect the call itself.
  func write(to destination: String, about members: [String: JSONValue], error: CNIError?) throws(KernelError) {
    var line = members
    line["steps"] = .array(steps.map { $0.json })
    line["microseconds"] = .integer(Int64(microseconds))
    line["outcome"] = error == nil ? "ok" : "error"
    if let error {
      line["code"] = .integer(Int64(error.code.rawValue))
      line["error"] = .string(error.description)
    }
    let bytes = JSONValue.object(line).bytes
    if let number = Int32(destination) {
      try StandardStreams.write(bytes + [UInt8(ascii: "\n")], to: number)
    } else {
      try Descriptor.open(destination, for: .appending).writeAll(bytes + [UInt8(ascii: "\n")])
    }
  }
}

extension Journal.Step {
  fileprivate var json: JSONValue {
    var members: [String: JSONValue] = [
      "step": .string(name), "microseconds": .integer(Int64(microseconds)),
    ]
    members["error"] = error.map { .string($0) }
    return .object(members)
  }
}
