public import CNI
import Foundation

/// One call of a plugin, as a runtime does it.
public struct PluginCall: Sendable {
  public var plugin: String
  public var command: String
  /// The content of standard input.
  public var config: String
  /// `CNI_CONTAINERID`, `CNI_NETNS`, `CNI_IFNAME`, `CNI_ARGS` and others; `CNI_PATH` is added if it is missing.
  public var variables: [String: String]
  /// The directory of the plugin; its delegates are searched there and then in the reference's directory.
  public var directory: String

  public init(
    plugin: String = "bridge", command: String, config: String, variables: [String: String],
    directory: String = Binaries.ours
  ) {
    self.plugin = plugin
    self.command = command
    self.config = config
    self.variables = variables
    self.directory = directory
  }
}

extension Lab {
  /// Runs a plugin on the lab's host with exactly these environment variables.
  public func run(_ call: PluginCall) throws -> Outcome {
    try run("\(call.directory)/\(call.plugin)", in: host, environment: environment(call), input: call.config)
  }

  /// Runs a call and kills the plugin and its delegate after so many microseconds.
  public func run(_ call: PluginCall, killedAfter microseconds: Int) throws -> Outcome {
    let seconds = "0.\(String(repeating: "0", count: max(0, 6 - "\(microseconds)".count)))\(microseconds)"
    return try run(
      "/usr/bin/timeout", ["--signal=KILL", seconds, "\(call.directory)/\(call.plugin)"], in: host,
      environment: environment(call), input: call.config)
  }

  /// The environment of `call` as `NAME=value`.
  public func environment(_ call: PluginCall) -> [String] {
    var variables = call.variables
    variables["CNI_COMMAND"] = call.command
    variables["CNI_PATH"] = variables["CNI_PATH"] ?? "\(call.directory):\(Binaries.reference)"
    return variables.filter { !$0.value.isEmpty || $0.key == "CNI_NETNS" }.map { "\($0.key)=\($0.value)" }.sorted()
  }

  /// `ADD`, `DEL` or `CHECK` of a container's interface, with `args` as `CNI_ARGS`.
  public func call(
    _ command: String, _ config: JSONValue, on container: Int, as interface: String = "eth0", args: String = "",
    plugin: String = "bridge"
  ) -> PluginCall {
    PluginCall(
      plugin: plugin, command: command, config: config.line,
      variables: [
        "CNI_CONTAINERID": "\(name)-c\(container)", "CNI_NETNS": path(self.container(container)),
        "CNI_IFNAME": interface, "CNI_ARGS": args,
      ])
  }

  public func add(
    _ config: JSONValue, to container: Int = 1, as interface: String = "eth0", args: String = "",
    plugin: String = "bridge"
  ) throws -> Outcome {
    try run(call("ADD", config, on: container, as: interface, args: args, plugin: plugin))
  }

  public func delete(
    _ config: JSONValue, from container: Int = 1, as interface: String = "eth0", plugin: String = "bridge"
  ) throws -> Outcome {
    try run(call("DEL", config, on: container, as: interface, plugin: plugin))
  }

  /// Runs CHECK with the result of an ADD.
  public func check(
    _ config: JSONValue, _ result: JSONValue, on container: Int = 1, as interface: String = "eth0",
    plugin: String = "bridge"
  ) throws -> Outcome {
    try run(call("CHECK", config.with("prevResult", result), on: container, as: interface, plugin: plugin))
  }

  /// Runs `GC` or `STATUS`.
  public func ask(_ command: String, _ config: JSONValue, plugin: String = "bridge") throws -> Outcome {
    try run(PluginCall(plugin: plugin, command: command, config: config.line, variables: [:]))
  }

  /// Runs GC; the interface eth0 of the containers with these numbers is still valid.
  public func collectGarbage(
    _ config: JSONValue, keeping containers: [Int], plugin: String = "bridge"
  ) throws -> Outcome {
    let valid = containers.map { number in
      JSONValue.object(["containerID": .string("\(name)-c\(number)"), "ifname": "eth0"])
    }
    return try ask("GC", config.with("cni.dev/valid-attachments", .array(valid)), plugin: plugin)
  }
}

extension Lab {
  /// The configuration of a network `net` on a bridge, with a range set for each subnet; without subnets it has no `ipam`.
  ///
  /// `keys` and `ipam` are JSON objects with further members of the configuration and of its `ipam`; they take
  /// precedence.
  public func bridge(
    _ keys: String = "{}", subnets: [String] = ["10.77.0.0/24"], ipam: String = "{}", version: SpecVersion = .latest
  ) throws -> JSONValue {
    var config = try JSONValue(json: #"{"name": "net", "type": "bridge", "bridge": "br0"}"#)
      .with("cniVersion", .string(version.rawValue))
    if !subnets.isEmpty {
      let ranges = subnets.map { JSONValue.array([.object(["subnet": .string($0)])]) }
      let plain = JSONValue.object([
        "type": "host-local", "dataDir": .string(dataDir), "ranges": .array(ranges),
      ])
      config = config.with("ipam", plain.merging(try JSONValue(json: ipam)))
    }
    return config.merging(try JSONValue(json: keys))
  }
}
