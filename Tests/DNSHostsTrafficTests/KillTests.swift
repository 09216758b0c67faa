import CNI
import Foundation
import LabSupport
import Testing

@Suite(.needsRoot)
struct KillTests {
  @Test(arguments: 0..<4)
  func `DEL or GC removes what a killed ADD or DEL left`(seed: Int) throws {
    try Lab.use(containers: 0) { lab in
      let lab = try lab.withOwnState()
      let members = Members(lab: lab)
      // With every other seed three containers are back-ends of a service.
      if seed % 2 == 1 { for number in [1, 2, 99] { try lab.run(members.service(number)).requireSuccess() } }
      for number in 1...30 { try lab.run(members.call("ADD", number)).requireSuccess() }
      // The first attachment creates files that always remain; they are no leftovers of a killed plugin.
      for command in ["ADD", "DEL"] { try lab.run(members.call(command, 99)).requireSuccess() }
      let before = members.snapshot()
      #expect(before.values.contains { $0.contains("10.1.0.250\tweb") } == (seed % 2 == 1))
      try lab.killInTurn(
        seed: UInt64(seed) + 1, rounds: 50, delay: { _ in 1...12000 }, { members.call($0, 99) },
        add: { try lab.run(members.call("ADD", 99)).requireSuccess() },
        clean: { round in
          try lab.run(round % 4 < 2 ? members.call("DEL", 99) : members.collectGarbage).requireSuccess()
          let after = members.snapshot()
          let different = Set(after.keys).union(before.keys).filter { after[$0] != before[$0] }.sorted()
          try #require(different == [], "round \(round): now \(different.map { after[$0] })")
        })
    }
  }
}

/// Attachments without interfaces: `dns-hosts` needs only files.
private struct Members {
  let lab: Lab

  private func config(_ number: Int) -> String {
    """
    {"cniVersion": "1.1.0", "name": "net", "type": "dns-hosts", "stateDir": "\(lab.directory)/state",
     "files": "dir", "dir": "\(lab.directory)/files", "args": {"cni": {"name": "n\(number)"}},
     "cni.dev/valid-attachments": [\((1...30).map { #"{"containerID": "c\#($0)", "ifname": "eth0"}"# }.joined(separator: ","))],
     "prevResult": {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/x"}],
       "ips": [{"interface": 0, "address": "10.1.0.\(number)/24"}, {"interface": 0, "address": "fd00::\(number)/64"}]}}
    """
  }

  func call(_ command: String, _ number: Int) -> PluginCall {
    PluginCall(
      plugin: "dns-hosts", command: command, config: config(number),
      variables: ["CNI_CONTAINERID": "c\(number)", "CNI_IFNAME": "eth0", "CNI_NETNS": ""])
  }

  /// Makes a container a back-end; DEL of `dns-hosts` does not change that.
  func service(_ number: Int) -> PluginCall {
    let keys = #""type": "service", "service": "web", "vip": ["10.1.0.250"], "ports": [{"port": 80}], "#
    return PluginCall(
      plugin: "service", command: "ADD",
      config: config(number).replacing(#""type": "dns-hosts", "#, with: keys),
      variables: ["CNI_CONTAINERID": "c\(number)", "CNI_IFNAME": "eth0", "CNI_NETNS": ""])
  }

  var collectGarbage: PluginCall {
    PluginCall(plugin: "dns-hosts", command: "GC", config: config(1), variables: [:])
  }

  /// Every file except lock files, with its lines that are no comments.
  func snapshot() -> [String: [String]] {
    var files: [String: [String]] = [:]
    for case let name as String in FileManager.default.enumerator(atPath: lab.directory)?.allObjects ?? []
    where !name.contains(".lock") {
      let text = (try? String(contentsOfFile: "\(lab.directory)/\(name)", encoding: .utf8)) ?? ""
      files[name] = text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        .filter { !$0.hasPrefix("#") && !$0.isEmpty }
    }
    return files
  }
}
