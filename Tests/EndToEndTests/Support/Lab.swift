import CNI
import Foundation
import Linux

/// A host and its containers, each a network namespace, for one test.
struct Lab {
  /// Part of every name the lab makes.
  let name: String
  /// The lab's own files; the leases are below `networks`.
  let directory: String
  let containerCount: Int

  /// The host's namespace.
  var host: String { "\(name)-h" }

  /// A container's namespace; containers count from 1.
  func container(_ number: Int) -> String { "\(name)-c\(number)" }

  /// A namespace's `CNI_NETNS`.
  func path(_ namespace: String) -> String { "/run/netns/\(namespace)" }

  var dataDir: String { "\(directory)/networks" }

  /// Runs `body` with a new lab, which is gone afterwards however `body` ends.
  static func use<Value>(containers: Int = 1, _ body: (Lab) throws -> Value) throws -> Value {
    let name = "t-" + String(UInt32.random(in: 0 ... .max), radix: 36)
    let directory = FileManager.default.temporaryDirectory.appending(path: name).path()
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let lab = Lab(name: name, directory: directory, containerCount: containers)
    defer { lab.remove() }
    let namespaces = [lab.host] + (0..<containers).map { lab.container($0 + 1) }
    try lab.shell("for n in \(namespaces.joined(separator: " ")); do ip netns add $n || exit; done")
    try lab.shell("ip link set lo up", in: lab.host)
    return try body(lab)
  }

  private func remove() {
    let script = """
      for n in /run/netns/\(name)-*; do ip netns del ${n##*/}; done
      rm -rf \(directory)
      """
    _ = try? run("/bin/sh", ["-c", script])  // what cannot be removed must not hide what the test found
  }

  /// Runs a program to its end; after a minute it is killed with all that it started.
  func run(
    _ path: String, _ arguments: [String] = [], in namespace: String? = nil,
    environment: [String] = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], input: String = ""
  ) throws -> Outcome {
    Standard.ignoreBrokenPipes()  // a program may end before it has read all
    let entering = namespace.map { ["/usr/bin/nsenter", "--net=\(self.path($0))"] } ?? []
    return Outcome(
      try ChildProcess.run(
        "/usr/bin/timeout", ["--signal=KILL", "60"] + entering + [path] + arguments, environment: environment,
        input: Array(input.utf8), seconds: 70))
  }

  /// What a shell script prints; the script has to succeed.
  @discardableResult
  func shell(_ script: String, in namespace: String? = nil) throws -> String {
    let outcome = try run("/bin/sh", ["-ec", script], in: namespace)
    guard outcome.isSuccess else { throw Outcome.Unexpected(outcome: outcome) }
    return outcome.output
  }

  /// What a program that prints JSON prints.
  func json(_ script: String, in namespace: String) throws -> JSONValue {
    let output = try shell(script, in: namespace)
    return try JSONValue(json: output.isEmpty ? "[]" : output)
  }
}
