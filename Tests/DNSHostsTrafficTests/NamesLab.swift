import CNI
import Foundation
import LabSupport

/// Containers on bridges, whose names `dns-hosts` tells in the files that `ip netns exec` shows as /etc/hosts.
struct NamesLab {
  let lab: Lab

  static func use(containers: Int, _ body: (NamesLab) throws -> Void) throws {
    try Lab.use(containers: containers) { lab in
      let isThere = FileManager.default.fileExists(atPath: "/etc/netns")
      defer {
        for number in 1...containers {
          try? FileManager.default.removeItem(atPath: "/etc/netns/\(lab.container(number))")
        }
        if !isThere { _ = unsafe rmdir("/etc/netns") }
      }
      // So that a question to a name server there is refused at once.
      for number in 1...containers { try lab.shell("ip link set lo up", in: lab.container(number)) }
      try body(NamesLab(lab: try lab.withOwnState()))
    }
  }

  /// A network on a bridge of its own, without a way out.
  func bridge(_ network: String, _ subnet: String) throws -> JSONValue {
    try lab.bridge(#"{"isGateway": true, "bridge": "br-\#(network.prefix(8))"}"#, subnets: [subnet])
      .with("name", .string(network))
  }

  func names(_ network: String, container: Int, keys: String = "{}") throws -> JSONValue {
    try JSONValue(
      json: """
        {"cniVersion": "1.1.0", "type": "dns-hosts", "files": "netns", "dns": {"nameservers": ["127.0.0.1"]},
         "args": {"cni": {"name": "container\(container)"}}}
        """
    ).with("name", .string(network)).merging(try JSONValue(json: keys))
  }

  /// `docker network connect`.
  @discardableResult
  func connect(_ number: Int, _ network: String, _ subnet: String, as interface: String = "eth0") throws -> JSONValue {
    let result = try lab.add(bridge(network, subnet), to: number, as: interface).result()
    let config = try names(network, container: number).with("prevResult", result)
    return try lab.add(config, to: number, as: interface, plugin: "dns-hosts").result()
  }

  /// `docker network disconnect`.
  func disconnect(_ number: Int, _ network: String, _ subnet: String, as interface: String = "eth0") throws {
    let names = try names(network, container: number)
    try lab.delete(names, from: number, as: interface, plugin: "dns-hosts").requireSuccess()
    try lab.delete(bridge(network, subnet), from: number, as: interface).requireSuccess()
  }

  /// Runs a script in the container as `ip netns exec` does, on the host.
  func inside(_ number: Int, _ script: String) throws -> Outcome {
    try lab.run("/usr/bin/env", ["ip", "netns", "exec", lab.container(number), "/bin/sh", "-c", script], in: lab.host)
  }

  /// The address that answers to a name; `nil` where nobody does.
  func ping(_ name: String, from number: Int) throws -> String? {
    let outcome = try inside(number, "ping -n -c1 -W1 \(name)")
    guard outcome.isSuccess, let open = outcome.output.firstIndex(of: "("),
      let close = outcome.output[open...].firstIndex(of: ")")
    else { return nil }
    return String(outcome.output[outcome.output.index(after: open)..<close])
  }

  /// The address that the container's files have for a name.
  func address(of name: String, in number: Int) throws -> String? {
    try inside(number, "getent -s hosts:files ahostsv4 \(name)").output.split(separator: " ").first.map(String.init)
  }

  /// The container's /etc/hosts, without what is dead.
  func hosts(_ number: Int) throws -> [String] {
    try inside(number, "cat /etc/hosts").output.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") }
  }
}
