import ArgumentParser
import CNI
import CNIRuntime
import NetTypes

/// Refuses a relative path: the path is stored for DEL, which may run in another directory.
func requireAbsolute(_ netns: String) throws {
  guard !netns.contains("/") || netns.hasPrefix("/") else {
    throw ValidationError("\"\(netns)\": want a name under \(StatePaths.namespaces) or an absolute path")
  }
}

/// The namespace that a command works on.
struct NamespaceArgument: ParsableArguments {
  @Argument(help: "A name under \(StatePaths.namespaces), or a path.", completion: namespaceNames) var netns: String?
  @Option(help: "The namespace of this process, in place of NETNS.") var pid: Int?

  func validate() throws {
    guard (netns == nil) != (pid == nil) else { throw ValidationError("want either NETNS or --pid") }
    try netns.map(requireAbsolute)
  }

  var namespace: ContainerNamespace {
    pid.map(ContainerNamespace.init(processID:)) ?? ContainerNamespace(netns ?? "")
  }
}

/// A cached attachment, with its network's configuration at ADD.
struct CachedAttachment {
  var attachment: NetworkAttachment
  var list: NetworkList

  init(_ entry: ResultCache.Entry) throws(CNIError) {
    attachment = entry.attachment
    list = try NetworkList(entry.config)
  }
}

extension NetworkAttachment {
  var json: JSONValue { .object(members) }

  var members: [String: JSONValue] {
    [
      "container": .string(owner.container.description), "network": .string(owner.network.description),
      "interface": .string(owner.interface.description), "netns": .string(namespacePath),
    ]
  }
}

/// A filter for cached attachments; `nil` matches everything.
struct AttachmentFilter {
  var network: NetworkName?
  var namespace: ContainerNamespace?
  var container: ContainerID?
  var interface: InterfaceName?

  /// The network's name, for messages.
  var name: String { network?.description ?? "" }

  func matches(_ attachment: NetworkAttachment) -> Bool {
    let owner = attachment.owner
    return (network.map { $0 == owner.network } ?? true) && (container.map { $0 == owner.container } ?? true)
      && (interface.map { $0 == owner.interface } ?? true)
      && namespace?.isSame(as: ContainerNamespace(attachment.namespacePath)) ?? true
  }

  /// Reads only a few files of the cache if the names or the namespace allow it.
  func find(in cache: ResultCache) throws(CNIError) -> [ResultCache.Entry] {
    if container == nil, let namespace {
      let candidates = try candidates(in: namespace, cache).filter { matches($0.attachment) }
      if !candidates.isEmpty { return candidates }
    }
    return try cache.entries(of: network, container: container).filter { matches($0.attachment) }
  }

  /// The attachments named by the namespace's links, if all links have a tag; if it is gone, those of a container of its name.
  private func candidates(
    in namespace: ContainerNamespace, _ cache: ResultCache
  ) throws(CNIError) -> [ResultCache.Entry] {
    guard namespace.presence == .live else {
      guard let network, let container = namespace.name.flatMap(ContainerID.init) else { return [] }
      return try cache.entries(of: network, container: container)
    }
    guard let owners = HostSurveyor.owners(in: namespace) else { return [] }
    var entries: [ResultCache.Entry] = []
    for owner in owners {
      if let entry = try cache.entry(owner) { entries.append(entry) }
    }
    return entries
  }
}
