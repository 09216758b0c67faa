import ArgumentParser
import CNI
import CNIRuntime
import HostFilter
import Kernel
import Names
import NetTypes
import Overlay

struct Repair: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Put back packet filter rules or names that somebody removed, or follow the host's name servers.",
    discussion: """
      After a reload of firewalld, iptables -F or nft flush ruleset: every rule that a plugin made for a container that \
      is still attached. Containers whose namespace is known to be gone are left to gc. Without arguments in every \
      network. Networks of overlay-vxlan with a list of peers get back their entries for those, too.

      With --dns instead: the resolv.conf that dns-hosts keeps for each container, where it comes from the host's \
      and that has changed. One that was edited is left alone and reported. And the dnsmasq that dnsname runs for a \
      network, where it has ended while containers are there.

      With --names instead: what dns-hosts remembers, after /run/cni was emptied. It is run once more for each attached \
      container of its networks, as the cached result has it; and where hosts tell each other names, the containers here \
      are told those of other hosts.
      """)

  @OptionGroup var common: CommonOptions
  @Flag(help: "Rewrite every container's resolv.conf that follows the host's.") var dns = false
  @Flag(help: "Tell the names of attached containers anew.") var names = false
  @Option(help: "What dns-hosts remembers, its stateDir.", completion: .directory)
  var dnsStateDir = StateDirectory.defaultPath
  @Argument(help: "Names of networks.", completion: networkNames, transform: parsed) var networks: [NetworkName] = []

  func validate() throws {
    guard !dns || !names else { throw ValidationError("--dns, --names: want one of them") }
    guard !dns || networks.isEmpty else { throw ValidationError("--dns: want no networks: a file is a container's") }
  }

  func run() throws {
    try common.report { () throws(CNIError) in
      if dns { return try followHost() }
      if names { return try tellNames() }
      try repairRules()
      try syncPeers()
    }
  }

  private func repairRules() throws(CNIError) {
    var filter = HostFilter()
    let collector = GarbageCollector(runtime: common.runtime)
    var gone: [NetworkAttachment] = []
    for entry in try common.runtime.cache.entries(ofAny: networks) {
      if try collector.isGone(KnownAttachment(entry)) { gone.append(entry.attachment) }
    }
    let owners = Set(gone.map(\.owner))
    var repaired: [AttachmentID] = []
    do throws(KernelError) {
      let chosen = networks.isEmpty ? try filter.networks() : networks
      repaired = try filter.repair(chosen) { !owners.contains($0) }
    } catch { throw CNIError(error) }
    if !common.json { gone.forEach { print("\($0.sentence): gone: cnictl gc") } }
    try tell(repaired)
  }

  /// Sets the entries of networks with a list of peers.
  private func syncPeers() throws(CNIError) {
    let host = OverlaySync.live
    var errors: [CNIError] = []
    for network in try OverlayNetwork.all(in: common.load(), named: []) where network.etcdPlane == nil {
      guard networks.isEmpty || networks.contains(network.name) else { continue }
      do throws(CNIError) {
        let count = try host.sync(network)
        if count > 0, !common.json { print("\(network.name): \(count) entries of other hosts repaired") }
      } catch { errors.append(error) }
    }
    if let error = CNIError(joining: errors) { throw error }
  }

  private func tellNames() throws(CNIError) {
    try tell(try common.runtime.repairNames(of: networks))
    try refreshNames(of: common.load(), named: networks)
  }

  private func followHost() throws(CNIError) {
    let texts = ContainerTextFiles(StateDirectory(dnsStateDir), warn: warn)
    let outcome: (written: [ContainerID], failures: [KernelError])
    do throws(KernelError) { outcome = try texts.updateFromHost() } catch { throw CNIError(error) }
    let servers: (started: [NetworkName], failures: [KernelError])
    do throws(KernelError) {
      servers = try StateDirectory(dnsStateDir).restartServers(program: DnsmasqSettings.program(), warn: warn)
    } catch { throw CNIError(error) }
    if common.json {
      try common.printJSON([
        "rewritten": .array(outcome.written.map { .string($0.description) }),
        "started": .array(servers.started.map { .string($0.description) }),
      ])
    } else {
      for container in outcome.written { print("\(container): resolv.conf rewritten") }
      for network in servers.started { print("\(network): dnsmasq started") }
    }
    let failures = outcome.failures + servers.failures
    if let error = CNIError(joining: failures.map { CNIError($0) }) { throw error }
  }

  /// Prints each attachment once, although several plugins have rules for it.
  private func tell(_ repaired: [AttachmentID]) throws(CNIError) {
    var reported: [AttachmentID] = []
    for owner in repaired where !reported.contains(owner) { reported.append(owner) }
    guard common.json else { return reported.forEach { print("\($0.words): repaired") } }
    try common.printJSON(["repaired": .array(reported.map(\.members))])
  }
}

extension AttachmentID {
  private var isTunnel: Bool { self == .tunnel(of: network) }

  fileprivate var words: String { isTunnel ? "\(network): tunnel" : "\(container) \(network) \(interface)" }

  /// A tunnel has no container.
  fileprivate var members: JSONValue {
    let network = JSONValue.string(network.description)
    return isTunnel
      ? .object(["network": network, "tunnel": .bool(true)])
      : .object([
        "network": network, "containerID": .string(container.description), "ifname": .string(interface.description),
      ])
  }
}
