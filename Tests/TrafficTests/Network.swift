import CNI
import LabSupport

/// A chain of plugins for one network of a world, with the runtime's commands.
struct Network: Sendable {
  let world: World
  let number: Int
  var plugins: [JSONValue]
  var version = "1.1.0"

  /// A name that is unique across labs.
  var name: String { "\(world.lab.name)-n\(number)" }
  var bridge: String { "br\(number)" }
  /// The bridge's address of each family.
  var gateways: [String] { ["10.77.\(number).1", "fd77:\(number)::1"] }

  /// One interface of a container.
  struct Attachment: Sendable {
    var container: Int
    var interface: String
    var ports: [JSONValue]
    /// `args.cni`, the same for every plugin.
    var args: JSONValue
    var result: JSONValue

    /// The container's address of each family.
    var addresses: [String] {
      result.list("ips").compactMap { $0.text("address")?.split(separator: "/").first.map(String.init) }
    }
  }

  /// An attachment that ADD has not made yet.
  func attachment(
    _ container: Int, as interface: String = "eth0", ports: [String] = [], args: String = "{}"
  ) throws -> Attachment {
    Attachment(
      container: container, interface: interface, ports: try ports.map { try JSONValue(json: $0) },
      args: try JSONValue(json: args), result: .null)
  }

  func add(
    _ container: Int, as interface: String = "eth0", ports: [String] = [], args: String = "{}"
  ) throws -> Attachment {
    var attachment = try attachment(container, as: interface, ports: ports, args: args)
    for plugin in plugins { attachment.result = try world.lab.run(call("ADD", plugin, attachment)).result() }
    return attachment
  }

  /// The last plugin's answer after ADDs of the others; their DELs follow if it refuses.
  func refusal(_ container: Int, ports: [String] = []) throws -> Outcome {
    var network = self
    let last = network.plugins.removeLast()
    let attachment = try network.add(container, ports: ports)
    let outcome = try world.lab.run(call("ADD", last, attachment))
    if !outcome.isSuccess { try network.delete(attachment) }
    return outcome
  }

  /// Runs DEL of the whole chain, last plugin first; with prevResult and ports if `knowing`.
  func delete(_ attachment: Attachment, knowing: Bool = true) throws {
    var attachment = attachment
    if !knowing { (attachment.result, attachment.ports) = (.null, []) }
    for plugin in plugins.reversed() {
      try world.lab.run(call("DEL", plugin, attachment)).requireSuccess()
    }
  }

  /// Runs CHECK of the whole chain.
  func check(_ attachment: Attachment) throws -> [Outcome] {
    try plugins.map { try world.lab.run(call("CHECK", $0, attachment)) }
  }

  /// Runs GC of the whole chain; `eth0` of these containers is still valid.
  func collectGarbage(keeping containers: [Int] = []) throws {
    let valid = containers.map { number in
      JSONValue.object(["containerID": .string(world.lab.container(number)), "ifname": "eth0"])
    }
    for plugin in plugins {
      let config = complete(plugin).with("cni.dev/valid-attachments", .array(valid))
      try world.lab.ask("GC", config, plugin: plugin.text("type") ?? "").requireSuccess()
    }
  }

  /// The call of one plugin in a command.
  func call(_ command: String, _ plugin: JSONValue, _ attachment: Attachment) -> PluginCall {
    var config = complete(plugin)
    if attachment.result != .null { config = config.with("prevResult", attachment.result) }
    if attachment.args != .object([:]) { config = config.with("args", .object(["cni": attachment.args])) }
    if plugin.at("capabilities.portMappings") != nil, !attachment.ports.isEmpty {
      config = config.with("runtimeConfig", .object(["portMappings": .array(attachment.ports)]))
    }
    return world.lab.call(
      command, config, on: attachment.container, as: attachment.interface, plugin: plugin.text("type") ?? "")
  }

  /// A plugin's configuration as a runtime sends it.
  func complete(_ plugin: JSONValue) -> JSONValue {
    plugin.with("name", .string(name)).with("cniVersion", .string(version))
  }
}

extension World {
  /// A network that masquerades and publishes the requested ports.
  ///
  /// The number is part of its names and addresses. The texts are further members of each plugin's keys and take
  /// precedence; if a text is `nil`, the chain does not have the plugin.
  func network(
    _ number: Int, _ bridge: String = "{}", portmap: String? = "{}", firewall: String? = nil
  ) throws -> Network {
    let main = try JSONValue(
      json: #"""
        {"type": "bridge", "bridge": "br\#(number)", "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true,
         "ipam": {"type": "host-local", "dataDir": "\#(lab.dataDir)",
                  "ranges": [[{"subnet": "10.77.\#(number).0/24"}], [{"subnet": "fd77:\#(number)::/64"}]]}}
        """#)
    let backendKey = JSONValue.object(["backend": .string(backend.rawValue)])
    var plugins = [main.merging(backendKey).merging(try JSONValue(json: bridge))]
    if let portmap {
      let base = try JSONValue(json: #"{"type": "portmap", "snat": true, "capabilities": {"portMappings": true}}"#)
      plugins.append(base.merging(backendKey).merging(try JSONValue(json: portmap)))
    }
    if let firewall {
      plugins.append(
        try JSONValue(json: #"{"type": "firewall"}"#).merging(backendKey).merging(try JSONValue(json: firewall)))
    }
    return Network(world: self, number: number, plugins: plugins)
  }
}
