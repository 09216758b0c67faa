import CNI
import Foundation
import LabSupport

/// Attachments to one network, without interfaces: `dns-hosts` needs only files.
struct StressLab: Sendable {
  let lab: Lab
  /// The directory of the state and the containers' files.
  let directory: String

  /// A lab with its files on disk or in memory.
  static func use(inMemory: Bool = false, _ body: (StressLab) throws -> Void) throws {
    try Lab.use(containers: 0) { lab in
      let directory = inMemory ? "/run/\(lab.name)" : "\(lab.directory)/names"
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: directory) }  // errors must not hide those of the test
      try body(StressLab(lab: lab, directory: directory))
    }
  }

  /// The runtime's input for container `number`; the members `keys` take precedence.
  func config(_ number: Int, _ keys: String = "{}") throws -> JSONValue {
    try JSONValue(
      json: """
        {"cniVersion": "1.1.0", "name": "net", "type": "dns-hosts", "stateDir": "\(directory)/state",
         "files": "dir", "dir": "\(directory)/files", "args": {"cni": {"name": "n\(number)"}},
         "dns": {"nameservers": ["192.0.2.53"]},
         "prevResult": {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/x"}],
           "ips": [{"interface": 0, "address": "\(address(number))/16"}]}}
        """
    ).merging(try JSONValue(json: keys))
  }

  func address(_ number: Int) -> String { "10.1.\(number / 256).\(number % 256)" }

  /// The lines of a container without aliases in the network's hosts files.
  func lines(_ number: Int) -> [String] { ["n\(number)", "n\(number).net"].map { "\(address(number))\t\($0)" } }

  func call(_ command: String, _ number: Int, _ keys: String = "{}") throws -> PluginCall {
    PluginCall(
      plugin: "dns-hosts", command: command, config: try config(number, keys).line,
      variables: ["CNI_CONTAINERID": "c\(number)", "CNI_IFNAME": "eth0", "CNI_NETNS": "/run/netns/c\(number)"])
  }

  func run(_ command: String, _ number: Int, _ keys: String = "{}") throws -> Outcome {
    try lab.run(call(command, number, keys))
  }

  /// Runs `GC` or `STATUS`.
  func ask(_ command: String, _ keys: String = "{}") throws -> Outcome {
    try lab.run(PluginCall(plugin: "dns-hosts", command: command, config: try config(1, keys).line, variables: [:]))
  }

  func hostsPath(_ number: Int) -> String { "\(directory)/files/c\(number)/hosts" }

  /// The lines of a container's hosts file that are no comments; `nil` if there is no file.
  func live(_ number: Int) -> [String]? {
    (try? String(contentsOfFile: hostsPath(number), encoding: .utf8)).map(Self.meaning)
  }

  private static func meaning(_ text: String) -> [String] {
    text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.hasPrefix("#") && !$0.isEmpty }
  }

  /// Every file except lock files, with its lines that are no comments.
  func snapshot() -> [String: [String]] {
    var files: [String: [String]] = [:]
    for case let name as String in FileManager.default.enumerator(atPath: directory)?.allObjects ?? []
    where !name.contains(".lock") {
      files[name] = Self.meaning((try? String(contentsOfFile: "\(directory)/\(name)", encoding: .utf8)) ?? "")
    }
    return files
  }

  /// The differences from an earlier snapshot.
  func changes(since older: [String: [String]]) -> [String] {
    let now = snapshot()
    return Set(now.keys).union(older.keys).sorted().filter { now[$0] != older[$0] }
      .map { "\($0): \(older[$0] ?? ["nothing"]) is now \(now[$0] ?? ["nothing"])" }
  }

  /// Attaches and detaches once, to create the files that always remain after the first attachment.
  func warmUp() throws {
    for command in ["ADD", "DEL"] { try run(command, 999).requireSuccess() }
  }
}
