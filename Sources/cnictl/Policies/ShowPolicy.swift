import ArgumentParser
import CNI
import CNIRuntime
import NetTypes
import PacketFilter

extension PolicyCommand {
  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print the entries of a policy, and who they stand for on this host.",
      discussion: """
        For a network its configuration, for a container (ID, name, or the start of the ID) the entries that are in \
        force on each of its networks. Below an entry are the links and containers that it stands for now.
        """)

    @OptionGroup var common: CommonOptions
    @Argument(help: "A network, or a container.", completion: networkNames) var name: String

    func run() throws {
      try common.report { () throws(CNIError) in
        let host = try HostPolicies.read(common.runtime.cache)
        let policies = try shown(on: host)
        guard !common.json else {
          return try common.printJSON(.array(policies.map { $0.json(host.check) }))
        }
        for policy in policies { policy.printLines(host.check) }
      }
    }

    private func shown(on host: HostPolicies) throws(CNIError) -> [ShownPolicy] {
      let contents = try common.load()
      if let network = try ConfiguredPolicy.all(in: contents).first(where: { "\($0.network)" == name }) {
        return [ShownPolicy(title: "network \(network.network)", attachment: nil, policy: network.policy.permissions)]
      }
      if contents.entries.contains(where: { "\($0.list.name)" == name }) {
        throw CNIError(
          .invalidNetworkConfig, "network \(name): no policy", details: "its plugins have no key \"policy\"")
      }
      return try host.attachments(name).map { attachment in
        let owner = attachment.owner
        return ShownPolicy(
          title: "\(owner.container) (network \(owner.network), \(owner.interface))", attachment: attachment,
          policy: attachment.permissions)
      }
    }
  }
}

private struct ShownPolicy {
  var title: String
  /// `nil` for a network's configuration.
  var attachment: PolicyAttachment?
  var policy: (Policy.Direction) -> [Policy.Permission]?

  func printLines(_ check: PolicyCheck) {
    let labels = (attachment?.labels ?? []).map { " label \($0)" }.joined()
    print("\(title)\(labels)")
    for direction in Policy.Direction.allCases {
      guard let permissions = policy(direction) else {
        print("  \(direction): everything")
        continue
      }
      if permissions.isEmpty { print("  \(direction): nothing") }
      for permission in permissions {
        print("  \(permission.text(direction))")
        guard let members = check.members(of: permission.peer) else { continue }
        for member in members.isEmpty ? ["none on this host"] : members { print("    \(member)") }
      }
    }
  }

  func json(_ check: PolicyCheck) -> JSONValue {
    let lists = Policy.Direction.allCases.map { direction -> JSONValue? in
      policy(direction).map { permissions in
        .array(
          permissions.map { permission in
            .record([
              "entry": .string(permission.text(direction)),
              "members": check.members(of: permission.peer).map { .array($0.map { .string($0) }) },
            ])
          })
      }
    }
    return .record([
      "name": .string(title), "labels": attachment.map { .array($0.labels.map { .string($0.description) }) },
      "ingress": lists[0], "egress": lists[1],
    ])
  }
}
