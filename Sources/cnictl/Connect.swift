import ArgumentParser
import CNI
import CNIRuntime
import Linux
import NetTypes

struct Connect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Attach a network namespace to a network.",
    discussion: """
      The container's id is --container, else the namespace's name, else ns- and its inode. The interface is \
      --ifname, else the first of eth0, eth1 … that is free.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var options: AttachmentOptions

  func run() throws {
    let request = try options.request()
    try common.report { () throws(CNIError) in
      let network = try common.load().entry(options.network), list = try request.list(network.list)
      let namespace = options.target.namespace
      let owner = try options.owner(on: list.name, in: namespace)
      let lock = try NetworkLock(owner)
      guard Files.exists(network.file) else {
        throw CNIError(.invalidNetworkConfig, "network \(list.name): \(network.file) was removed meanwhile")
      }
      // If a plugin refused the name, the DEL that follows would remove the existing interface.
      guard try !namespace.interfaces().contains(owner.interface.description) else {
        throw CNIError(
          .alreadyAttached, "\(namespace.path) has an interface \(owner.interface) already: want another --ifname")
      }
      try common.runtime.checkVersions(list)
      let attachment = try request.attachment(owner, namespacePath: namespace.path, on: list)
      let made = try common.runtime.add(list, attachment)
      _ = consume lock
      if common.json { return try common.printJSON(made.json) }
      print(confirmation(owner, made.result))
    }
  }

  private func confirmation(_ owner: AttachmentID, _ result: AddResult) -> String {
    let addresses = [IPFamily.v4, .v6].map { result.address($0, on: owner.interface) }.filter { !$0.isEmpty }
    let mac = result.containerInterface(owner.interface)?.mac.map { ["mac \($0)"] } ?? []
    let hostState = (addresses + mac).joined(separator: " ")
    return "connected \(owner.container) to \(owner.network) as \(owner.interface)"
      + (hostState.isEmpty ? "" : ": \(hostState)")
  }
}

struct Disconnect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Detach a network namespace from a network.",
    discussion:
      "Also works if the namespace or the network's configuration is gone: the cache has the configuration of ADD.")

  @OptionGroup var common: CommonOptions
  @Argument(help: "The network's name.", completion: networkNames, transform: parsed) var network: NetworkName
  @Argument(help: "A name under \(StatePaths.namespaces), or a path.", completion: namespaceNames) var netns: String?
  @Option(help: "The namespace of this process, in place of NETNS.") var pid: Int?
  @Option(help: "The container's id.", transform: parsed) var container: ContainerID?
  @Option(help: "The interface's name in the container.", transform: parsed) var ifname: InterfaceName?

  func validate() throws {
    guard netns != nil || pid != nil || container != nil else {
      throw ValidationError("want NETNS, --pid or --container")
    }
    guard netns == nil || pid == nil else { throw ValidationError("want either NETNS or --pid") }
    try netns.map(requireAbsolute)
  }

  func run() throws {
    try common.report { () throws(CNIError) in
      let namespace = pid.map(ContainerNamespace.init(processID:)) ?? netns.map { ContainerNamespace($0) }
      let filter = AttachmentFilter(network: network, namespace: namespace, container: container, interface: ifname)
      let entries = try filter.find(in: common.runtime.cache)
      guard !entries.isEmpty else { throw try notAttached(filter) }
      for entry in entries {
        let cached = try CachedAttachment(entry)
        let lock = try NetworkLock(cached.attachment.owner)
        try common.runtime.delete(cached.list, cached.attachment)
        _ = consume lock
        let owner = cached.attachment.owner
        if !common.json { print("disconnected \(owner.container) from \(owner.network): \(owner.interface) is gone") }
      }
      if common.json { try common.printJSON(JSONValue.array(entries.map(\.attachment.json))) }
    }
  }

  private func notAttached(_ filter: AttachmentFilter) throws(CNIError) -> CNIError {
    let others = try common.runtime.cache.entries(of: network).map { entry in
      "\(entry.attachment.owner.container) \(entry.attachment.owner.interface) in \(entry.attachment.namespacePath)"
    }
    let attachedText = others.isEmpty ? "no container is" : "attached are \(others.joined(separator: ", "))"
    let wanted = [filter.namespace?.path, container?.description, ifname?.description].compactMap(\.self)
    return CNIError(.unknownContainer, "\(wanted.joined(separator: " ")) is not on network \(network): \(attachedText)")
  }
}
