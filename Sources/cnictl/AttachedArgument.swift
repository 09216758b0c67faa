import ArgumentParser
import CNI
import CNIRuntime
import NetTypes

/// A container that is attached to a network: for `disconnect` and `floating-ip assign`.
struct AttachedArgument: ParsableArguments {
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

  /// Its attachments, at least one.
  ///
  /// - Throws: code 3 if it is not on the network.
  func find(in cache: ResultCache) throws(CNIError) -> [ResultCache.Entry] {
    let namespace = pid.map(ContainerNamespace.init(processID:)) ?? netns.map { ContainerNamespace($0) }
    let filter = AttachmentFilter(network: network, namespace: namespace, container: container, interface: ifname)
    let entries = try filter.find(in: cache)
    guard entries.isEmpty else { return entries }
    let others = try cache.entries(of: network).map { entry in
      "\(entry.attachment.owner.container) \(entry.attachment.owner.interface) in \(entry.attachment.namespacePath)"
    }
    let attachedText = others.isEmpty ? "no container is" : "attached are \(others.joined(separator: ", "))"
    let wanted = [namespace?.path, container?.description, ifname?.description].compactMap(\.self)
    throw CNIError(.unknownContainer, "\(wanted.joined(separator: " ")) is not on network \(network): \(attachedText)")
  }
}
