import CNI
import Linux
import NetTypes

/// The log of the steps of one call, for `CNI_LOG`.
///
/// A class, as `PlanOutput` is, because the kernel, the delegates and the runner append to the same log.
public final class Journal {
  private let start = Clock.now
  private var steps: [JSONValue] = []

  init() {}

  /// Runs `body` and records its duration and its error.
  func step<Value, Failure: Error>(
    _ name: @autoclosure () -> String, _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let began = Clock.now
    do throws(Failure) {
      let value = try body()
      add(name(), since: began, error: nil)
      return value
    } catch {
      add(name(), since: began, error: "\(error)")
      throw error
    }
  }

  private func add(_ name: String, since began: Clock, error: String?) {
    var step: [String: JSONValue] = [
      "step": .string(name), "microseconds": .integer(Int64(Clock.now.microseconds(since: began))),
    ]
    step["error"] = error.map { .string($0) }
    steps.append(.object(step))
  }

  /// Appends the call as one line to the file `destination`; a number is a file descriptor.
  ///
  /// - Throws: an error of the file system, which does not affect the call itself.
  func write(to destination: String, about members: [String: JSONValue], error: CNIError?) throws(KernelError) {
    var line = members
    line["steps"] = .array(steps)
    line["microseconds"] = .integer(Int64(Clock.now.microseconds(since: start)))
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
