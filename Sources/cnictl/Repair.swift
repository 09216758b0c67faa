import ArgumentParser
import CNI
import CNIRuntime
import HostFilter
import Kernel
import Names
import NetTypes
import Overlay
import PacketFilter

struct Repair: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Restore removed packet filter rules or names, or apply the host's changed name servers.",
    discussion: """
      For use after a reload of firewalld, iptables -F or nft flush ruleset: adds every missing rule of containers that \
      are still attached. Skips containers whose namespace is gone; gc removes those. Without arguments in every network. \
      Also restores policy rules in the network namespaces of macvlan and ipvlan containers, and the entries for the \
      peers of overlay-vxlan networks with a list of peers, and the back-ends on other hosts of services that hosts share.

      With --dns instead: rewrites the resolv.conf of each container of dns-hosts that is derived from the host's, if \
      the host's has changed. A file that was edited is kept and reported. Restarts the dnsmasq that dnsname runs for \
      a network, if it has ended and the network has containers.

      With --names instead: restores the state of dns-hosts after /run/cni was emptied. Runs dns-hosts again for each \
      attached container of its networks, with the cached result; if hosts share names, the containers on this host \
      get the names of the other hosts.
      """)

  @OptionGroup var common: CommonOptions
  @Flag(help: "Rewrite each resolv.conf that is derived from the host's.") var dns = false
  @Flag(help: "Publish the names of attached containers again.") var names = false
  @Option(help: "The state directory of dns-hosts, its key stateDir.", completion: .directory)
  var dnsStateDir = StatePaths.dnsHosts
  @Argument(help: "Names of networks.", completion: networkNames, transform: parsed) var networks: [NetworkName] = []

  func validate() throws {
    guard !dns || !names else { throw ValidationError("--dns, --names: want only one of them") }
    guard !dns || networks.isEmpty else {
      throw ValidationError("--dns: want no networks: a resolv.conf belongs to a container")
    }
  }

  func run() throws {
    try common.report { () throws(CNIError) in
      if dns { return try rewriteResolvConf() }
      if names { return try publishNames() }
      try repairRules()
      try syncPeers()
      try refreshServices(of: common.load(), named: networks)
    }
  }

  private func repairRules() throws(CNIError) {
    var filter = HostFilter()
    let collector = GarbageCollector(runtime: common.runtime)
    var gone: [NetworkAttachment] = []
    for entry in try common.runtime.cache.entries(ofAny: networks) {
      if try collector.isGone(CachedAttachment(entry)) { gone.append(entry.attachment) }
    }
    let owners = Set(gone.map(\.owner))
    var repaired: [AttachmentID] = []
    do throws(KernelError) {
      let chosen = networks.isEmpty ? try filter.networks() : networks
      repaired = try filter.repair(chosen) { !owners.contains($0) }
    } catch { throw CNIError(error) }
    let inContainers = try common.runtime.repairContainerRules(of: networks, except: owners)
    if !common.json { gone.forEach { print("\($0.sentence): gone: cnictl gc") } }
    try printRepaired(repaired + inContainers.repaired)
    if let error = CNIError(joining: inContainers.failures) { throw error }
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

  private func publishNames() throws(CNIError) {
    try printRepaired(try common.runtime.repairNames(of: networks))
    try refreshNames(of: common.load(), named: networks)
  }

  private func rewriteResolvConf() throws(CNIError) {
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
  private func printRepaired(_ repaired: [AttachmentID]) throws(CNIError) {
    var reported: [AttachmentID] = []
    for owner in repaired where !reported.contains(owner) { reported.append(owner) }
    guard common.json else { return reported.forEach { print("\($0.label): repaired") } }
    try common.printJSON(["repaired": .array(reported.map(\.members))])
  }
}

extension AttachmentID {
  private var isTunnel: Bool { self == .tunnel(of: network) }

  fileprivate var label: String { isTunnel ? "\(network): tunnel" : "\(container) \(network) \(interface)" }

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
