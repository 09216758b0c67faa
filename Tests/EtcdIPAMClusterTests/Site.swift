import CNI
import EtcdSupport
import Foundation
import LabSupport

/// A lab with its own etcd cluster and the plugin's built executable.
struct Site {
  let lab: Lab
  let cluster: EtcdCluster

  /// Runs `body` with a new site, which is removed afterwards, also after an error.
  static func use<Value>(members: Int = 3, containers: Int = 1, _ body: (Site) throws -> Value) throws -> Value {
    try Lab.use(containers: containers) { lab in
      let memberAddresses = (1...members).map { EtcdCluster.MemberAddress("127.0.1.\($0)", in: lab.host) }
      return try EtcdCluster.use(at: memberAddresses) { cluster in try body(Site(lab: lab, cluster: cluster)) }
    }
  }

  /// A network `net`; `text` has the members of `ipam` besides etcd's endpoints.
  func network(_ text: String, node: String = "n1", type: String = "ipam-etcd") throws -> JSONValue {
    let endpoints = cluster.endpoints.map { "\"\($0)\"" }.joined(separator: ", ")
    return try JSONValue(
      json: #"""
        {"cniVersion": "1.1.0", "name": "net", "type": "\#(type)", "bridge": "br0",
         "ipam": {"type": "ipam-etcd", "endpoints": [\#(endpoints)], "node": "\#(node)", \#(text)}}
        """#)
  }

  /// Every key and value that the plugin has written, sorted.
  func entries() throws -> [String] {
    let lines = try cluster.control(["get", "--prefix", "/swift-cni/ipam/"], at: running)
      .split(separator: "\n").map(String.init)
    return stride(from: 0, to: lines.count - 1, by: 2).map { "\(lines[$0]) \(lines[$0 + 1])" }
  }

  private var running: Int { cluster.leader ?? 0 }

  /// The leased addresses.
  func leased() throws -> Set<String> {
    let prefix = "/swift-cni/ipam/net/addresses/"
    return Set(
      try entries().filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count).prefix { $0 != " " }) })
  }

  /// A call for a container without a namespace.
  static func call(_ command: String, _ config: JSONValue, _ container: String) -> PluginCall {
    PluginCall(
      plugin: "ipam-etcd", command: command, config: config.line,
      variables: ["CNI_CONTAINERID": container, "CNI_IFNAME": "eth0", "CNI_NETNS": "/dev/null"])
  }

  func run(_ command: String, _ config: JSONValue, _ container: String = "a") throws -> Outcome {
    try lab.run(Self.call(command, config, container))
  }
}

extension Outcome {
  /// The addresses of a result, without their prefix lengths.
  var addresses: [String] {
    (json?.list("ips") ?? []).compactMap { $0.text("address")?.split(separator: "/").first.map(String.init) }
  }
}
