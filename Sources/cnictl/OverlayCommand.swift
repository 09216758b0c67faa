import ArgumentParser
import CNI
import CNIRuntime
import Etcd
import EtcdClient
import Overlay

struct OverlayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "overlay", abstract: "Apply the data of a network's other hosts to this host.",
    subcommands: [Sync.self])
}

extension OverlayCommand {
  struct Sync: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Apply the current peers, from peers files or etcd, to this host's VXLAN devices.",
      discussion: """
        For overlay-vxlan networks whose control plane is static, reads the peers; for those with etcd, reads etcd and \
        renews this host's lease, if it has one. Sets the entries and routes of the VXLAN device that differ. Skips \
        networks that have had no container on this host. Without arguments for every network. Also updates names and \
        services that hosts share through etcd.

        With --watch it runs until it is stopped: it applies changes in etcd at once, all that are waiting together, \
        renews leases after a third of their time, and reads files and configurations again every --interval seconds. \
        While etcd does not answer, nothing is changed. The systemd unit for it is swift-cni-overlay.service.
        """)

    @OptionGroup var common: CommonOptions
    @Flag(help: "Keep running and apply changes.") var watch = false
    @Option(help: "With --watch: seconds between two reads of files.") var interval = 30
    @Argument(help: "Names of networks.", completion: networkNames, transform: parsed) var networks: [NetworkName] = []

    func validate() throws {
      guard (1...3600).contains(interval) else { throw ValidationError("--interval: want 1 to 3600 seconds") }
      guard !watch || !common.json else { throw ValidationError("--json: want it without --watch") }
    }

    func run() throws {
      let host = OverlaySync.live
      try common.report { () throws(CNIError) in
        guard !watch else {
          var watch = OverlayWatch(common: common, host: host, chosen: networks, seconds: interval)
          return try watch.run()
        }
        var errors: [CNIError] = []
        var rows: [JSONValue] = []
        let contents = try common.load()
        do throws(CNIError) { try refreshNames(of: contents, named: networks) } catch { errors.append(error) }
        do throws(CNIError) { try refreshServices(of: contents, named: networks) } catch { errors.append(error) }
        for network in try OverlayNetwork.all(in: contents, named: networks) {
          do throws(CNIError) {
            let count = try host.sync(network)
            rows.append(.object(["network": .string(network.name.description), "changes": .integer(Int64(count))]))
            if !common.json { print("\(network.name): \(count == 0 ? "nothing to change" : "\(count) changed")") }
          } catch { errors.append(CNIError(error.code, "\(network.name): \(error.message)", details: error.details)) }
        }
        if let error = CNIError(joining: errors) { throw error }
        if common.json { try common.printJSON(["synced": .array(rows)]) }
      }
    }
  }
}

extension OverlaySync where Store == EtcdClient {
  /// Uses the real etcd clusters.
  static var live: OverlaySync {
    OverlaySync(control: EtcdControlPlane(warn: warn) { (config) throws(CNIError) in EtcdClient(config) })
  }
}

/// A network of overlay-vxlan whose entries this host sets itself: the control plane is static or etcd.
struct OverlayNetwork: Equatable {
  var name: NetworkName
  var document: JSONValue
  var config: OverlayConfig

  static func == (left: OverlayNetwork, right: OverlayNetwork) -> Bool {
    left.name == right.name && left.document == right.document
  }

  /// Finds the networks of overlay-vxlan with a static list or etcd as control plane.
  ///
  /// - Throws: code 7 for a name that is not such a network; warns about configurations that cannot be used and omits them.
  static func all(
    in contents: ConfigDirectory.Contents, named chosen: [NetworkName]
  ) throws(CNIError) -> [OverlayNetwork] {
    var networks: [OverlayNetwork] = []
    for entry in contents.entries where chosen.isEmpty || chosen.contains(entry.list.name) {
      for plugin in entry.list.plugins where plugin.type.description == "overlay-vxlan" {
        do throws(CNIError) {
          let config = try OverlayConfig(JSONReader(plugin.config))
          guard config.controlPlane.providesSubnets else { continue }
          networks.append(OverlayNetwork(name: entry.list.name, document: plugin.config, config: config))
        } catch { warn("\(entry.file) is left out: \(error)") }
      }
    }
    if let missing = chosen.first(where: { name in !networks.contains { $0.name == name } }) {
      throw CNIError(
        .invalidNetworkConfig, "network \(missing): want one of overlay-vxlan whose control plane is static or etcd")
    }
    return networks
  }

  var etcdPlane: EtcdPlaneConfig? { if case .etcd(let plane) = config.controlPlane { plane } else { nil } }
}
