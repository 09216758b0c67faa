import CNI
import Foundation
import LabSupport

/// Containers on bridges; `dns-hosts` writes their names to the files that `ip netns exec` mounts as /etc/hosts.
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
      // With lo up, a query to a name server on 127.0.0.1 is refused at once.
      for number in 1...containers { try lab.shell("ip link set lo up", in: lab.container(number)) }
      try body(NamesLab(lab: try lab.withOwnState()))
    }
  }

  /// A network on its own bridge, without a default route.
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

  /// Equals `docker network connect`.
  @discardableResult
  func connect(_ number: Int, _ network: String, _ subnet: String, as interface: String = "eth0") throws -> JSONValue {
    let result = try lab.add(bridge(network, subnet), to: number, as: interface).result()
    let config = try names(network, container: number).with("prevResult", result)
    return try lab.add(config, to: number, as: interface, plugin: "dns-hosts").result()
  }

  /// Equals `docker network disconnect`.
  func disconnect(_ number: Int, _ network: String, _ subnet: String, as interface: String = "eth0") throws {
    let names = try names(network, container: number)
    try lab.delete(names, from: number, as: interface, plugin: "dns-hosts").requireSuccess()
    try lab.delete(bridge(network, subnet), from: number, as: interface).requireSuccess()
  }

  /// Runs a script in the container as `ip netns exec` does, on the host.
  func inside(_ number: Int, _ script: String) throws -> Outcome {
    try lab.run("/usr/bin/env", ["ip", "netns", "exec", lab.container(number), "/bin/sh", "-c", script], in: lab.host)
  }

  /// The address that answers a ping to a name; `nil` if none does.
  func ping(_ name: String, from number: Int) throws -> String? {
    let outcome = try inside(number, "ping -n -c1 -W1 \(name)")
    guard outcome.isSuccess, let open = outcome.output.firstIndex(of: "("),
      let close = outcome.output[open...].firstIndex(of: ")")
    else { return nil }
    return String(outcome.output[outcome.output.index(after: open)..<close])
  }

  /// The address of a name in the container's files.
  func address(of name: String, in number: Int) throws -> String? {
    try inside(number, "getent -s hosts:files ahostsv4 \(name)").output.split(separator: " ").first.map(String.init)
  }

  /// The lines of the container's /etc/hosts that are no comments.
  func hosts(_ number: Int) throws -> [String] {
    try inside(number, "cat /etc/hosts").output.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") }
  }
}
