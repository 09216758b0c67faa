import ArgumentParser
import CNI
import CNIRuntime
import Etcd
import EtcdClient
import EtcdRecords
import HostFilter
import NetTypes
import PacketFilter
import PluginKit

struct FloatingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "floating-ip",
    abstract: "List floating addresses, give them to running containers, and take them away.",
    subcommands: [List.self, Assign.self, Release.self])
}

extension FloatingCommand {
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls", abstract: "List the floating addresses of containers on this host.",
      discussion:
        "DEVICE is the link that got the address; \"-\": none did, because the host has it or routes lead here.")

    @OptionGroup var common: CommonOptions

    func run() throws {
      try common.report { () throws(CNIError) in
        let all = try AssignedAddress.all()
        guard !common.json else { return try common.printJSON(.array(all.map(\.json))) }
        print(table([["ADDRESS", "CONTAINER", "NETWORK", "INTERFACE", "DEVICE"]] + all.map(\.row)))
      }
    }
  }

  struct Assign: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Give a floating address to a running container.",
      discussion: """
        The network needs the plugin portmap, which removes the address when the container is detached. The container \
        keeps its other addresses and its published ports.
        """)

    @OptionGroup var common: CommonOptions
    @Argument(help: "The address.", transform: parsed) var address: IPAddress
    @OptionGroup var attached: AttachedArgument
    @Option(
      help: "The link that gets the address; without it the key floatingDevice of portmap names it.", transform: parsed)
    var device: InterfaceName?
    @Flag(help: "Take the address from the container that has it.") var move = false

    func run() throws {
      try common.report { () throws(CNIError) in
        let entries = try attached.find(in: common.runtime.cache)
        guard let entry = entries.first, entries.count == 1 else {
          throw CNIError(
            .invalidNetworkConfig, "\(entries.count) attachments match: want --ifname or --container for one of them")
        }
        let lock = try NetworkLock(entry.attachment.owner)
        defer { _ = lock }
        try FloatingAssignment(of: address, on: device, moves: move, to: entry).carryOut()
        let owner = entry.attachment.owner
        if common.json { return try common.printJSON(AssignedAddress.of(address, owner)?.json ?? .object([:])) }
        print("\(address): \(owner.container) \(owner.network) \(owner.interface)")
      }
    }
  }

  struct Release: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Take a floating address from its container.")

    @OptionGroup var common: CommonOptions
    @Argument(help: "The address.", completion: floatingAddresses, transform: parsed) var address: IPAddress

    func run() throws {
      try common.report { () throws(CNIError) in
        guard let owner = try FloatingRelease(of: address).carryOut() else {
          throw CNIError(
            .unknownContainer, "\(address): no container of this host has it: want one that cnictl floating-ip ls shows"
          )
        }
        try releaseKey(of: owner)
        if common.json { return try common.printJSON(owner.json) }
        print("\(address): taken from \(owner.container) \(owner.network) \(owner.interface)")
      }
    }

    /// After the rules, as DEL.
    private func releaseKey(of owner: AttachmentID) throws(CNIError) {
      guard let entry = try common.runtime.cache.entry(owner),
        let network = try FloatingNetwork(owner.network, portmap: CachedAttachment(entry).list.portmap)
      else { return }
      let shared = try network.shared()
      var store = EtcdClient(network.config.etcd)
      let lock = try shared.lock()
      defer { _ = lock }
      try shared.release(address, of: owner, in: &store)
    }
  }
}

/// None for a user who may not read the records.
private let floatingAddresses = CompletionKind.custom { _, _, start in
  let all = (try? AssignedAddress.all()) ?? []  // an error means no completions
  return all.map(\.float.external.description).filter { $0.hasPrefix(start) }
}

/// A floating address of a container on this host.
struct AssignedAddress {
  var owner: AttachmentID
  var float: FloatingAddress

  static func all() throws(CNIError) -> [AssignedAddress] {
    let ruleSets = try convertingErrors { () throws(KernelError) in try HostFilter().ruleSets(.ports) }
    let all = ruleSets.flatMap { ruleSet in ruleSet.floats.map { AssignedAddress(owner: ruleSet.owner, float: $0) } }
    return all.sorted { $0.float.external < $1.float.external }
  }

  static func of(_ address: IPAddress, _ owner: AttachmentID) throws(CNIError) -> AssignedAddress? {
    try all().first { $0.owner == owner && $0.float.external == address }
  }

  fileprivate var row: [String] {
    [
      "\(float.external)", "\(owner.container)", "\(owner.network)", "\(owner.interface)",
      float.device?.description ?? "-",
    ]
  }

  fileprivate var json: JSONValue {
    .record([
      "address": .text(float.external), "container": .text(owner.container), "network": .text(owner.network),
      "interface": .text(owner.interface), "target": .text(float.target),
      "device": float.device.map { .string($0.description) },
    ])
  }
}

extension AttachmentID {
  fileprivate var json: JSONValue {
    .record(["container": .text(container), "network": .text(network), "interface": .text(interface)])
  }
}
