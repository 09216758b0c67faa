import ArgumentParser
import CNI
import CNIRuntime
import HostFilter
import NetTypes
import Nftables
import PacketFilter
import PluginKit

extension PolicyCommand {
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls", abstract: "List networks with a policy, and containers on this host that have one.",
      discussion: """
        A network's line has the number of entries of its configuration, a container's those that are in force: "all" \
        for a direction that is not limited, 0 for one in which nothing is allowed. DENIED are the packets that were \
        denied since the policy is in force, by all containers with the same policy, which share a counter.
        """)

    @OptionGroup var common: CommonOptions

    func run() throws {
      try common.report { () throws(CNIError) in
        let networks = try ConfiguredPolicy.all(in: common.load())
        let attachments = try HostPolicies.read(common.runtime.cache).limited.map(ListedPolicies.init)
        guard !common.json else {
          return try common.printJSON([
            "networks": .array(networks.map(\.json)), "attachments": .array(attachments.map(\.json)),
          ])
        }
        let rows = networks.map(\.row) + attachments.map(\.row)
        print(
          table([["NETWORK", "CONTAINER", "INTERFACE", "ADDRESSES", "LABELS", "INGRESS", "EGRESS", "DENIED"]] + rows))
      }
    }
  }
}

/// A network whose configuration has the key `policy`.
struct ConfiguredPolicy {
  var network: NetworkName
  var plugin: String
  /// Without addresses.
  var policy: Policy

  /// Warns on standard error about policies that are not valid.
  static func all(in contents: ConfigDirectory.Contents) throws(CNIError) -> [ConfiguredPolicy] {
    var all: [ConfiguredPolicy] = []
    for entry in contents.entries where entry.list.hasPolicy {
      do throws(CNIError) {
        let configuration = try NetworkConfiguration(entry.list.bytes)
        guard let config = try configuration.policy() else { continue }
        let policy = Policy(of: [], on: [], ingress: config.ingress, egress: config.egress, logGroup: config.logGroup)
        all.append(ConfiguredPolicy(network: entry.list.name, plugin: configuration.pluginType, policy: policy))
      } catch { warn("\(entry.file): \(error)") }
    }
    return all
  }

  fileprivate var row: [String] {
    ["\(network)", "-", "-", "-", "-"] + Policy.Direction.allCases.map { count(policy.permissions($0)) } + ["-"]
  }

  fileprivate var json: JSONValue {
    .record([
      "network": .text(network), "plugin": .text(plugin), "ingress": .number(policy.ingress?.count),
      "egress": .number(policy.egress?.count),
    ])
  }
}

private func count(_ permissions: [Policy.Permission]?) -> String { permissions.map { "\($0.count)" } ?? "all" }

/// An attachment with the number of packets that its policies have denied.
private struct ListedPolicies {
  var attachment: PolicyAttachment
  /// `nil`: nothing is limited, or the rules are missing.
  var denied: DeniedPackets?

  init(_ attachment: PolicyAttachment) throws(CNIError) {
    self.attachment = attachment
    do throws(KernelError) {
      for policy in attachment.policies where denied == nil {
        if let namespace = attachment.namespace {
          // Throws if the container is gone.
          denied = try? ContainerFilter(namespace: namespace).deniedPackets(by: policy)
        } else {
          denied = try HostFilter().deniedPackets(by: policy)
        }
      }
    } catch { throw CNIError(error) }
  }

  var row: [String] {
    let texts = { (values: [String]) in values.isEmpty ? "-" : values.joined(separator: ",") }
    let owner = attachment.owner
    return ["\(owner.network)", "\(owner.container)", "\(owner.interface)"]
      + [texts(attachment.addresses.map(\.description)), texts(attachment.labels.map(\.description))]
      + Policy.Direction.allCases.map { count(attachment.permissions($0)) }
      + [denied.map { "\(($0.ingress ?? 0) + ($0.egress ?? 0))" } ?? "-"]
  }

  /// `ingress` and `egress` are absent if they are not limited.
  var json: JSONValue {
    let owner = attachment.owner
    return .record([
      "network": .text(owner.network), "container": .text(owner.container), "interface": .text(owner.interface),
      "addresses": .texts(attachment.addresses), "labels": .texts(attachment.labels),
      "ingress": .number(attachment.permissions(.ingress)?.count),
      "egress": .number(attachment.permissions(.egress)?.count),
      "denied": denied.map { .record(["ingress": .number($0.ingress), "egress": .number($0.egress)]) },
    ])
  }
}
