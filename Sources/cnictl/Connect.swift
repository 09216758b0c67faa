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
  @OptionGroup var attached: AttachedArgument

  func run() throws {
    try common.report { () throws(CNIError) in
      let entries = try attached.find(in: common.runtime.cache)
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
}
