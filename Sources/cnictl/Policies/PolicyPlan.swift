import CNI
import CNIRuntime
import Linux
import NetTypes
import PluginKit

/// What becomes of the key `policy` in a network's file.
struct PolicyPlan {
  var network: NetworkName
  var file: String
  /// `nil`: the key is removed.
  var policy: PolicyConfig?
  var before: PolicyConfig?
  /// The changed configuration.
  var configuration: NetworkConfiguration
  private var oldBytes: [UInt8]

  var isChanged: Bool { policy != before }

  /// - Throws: code 7 if the network cannot have the policy.
  init(_ policies: NetworkPolicies, in contents: ConfigDirectory.Contents) throws(CNIError) {
    try self.init(of: policies.network, in: contents)
    let config = try policies.config(
      separatesContainers: configuration.separatesContainers, limitsInContainer: configuration.limitsInContainer)
    try configuration.setPolicy(config)
    policy = try configuration.policy()
  }

  /// Removes the policy.
  init(removing network: NetworkName, in contents: ConfigDirectory.Contents) throws(CNIError) {
    try self.init(of: network, in: contents)
    try configuration.setPolicy(nil)
    policy = nil
  }

  /// Changes nothing.
  private init(of network: NetworkName, in contents: ConfigDirectory.Contents) throws(CNIError) {
    let entry = try contents.entry("\(network)")
    guard entry.list.name == network else {
      throw CNIError(.invalidNetworkConfig, "no network \"\(network)\"")
    }
    self.network = network
    let file = entry.file
    self.file = file
    oldBytes = try convertingErrors(as: .ioFailure) { () throws(KernelError) in try Files.read(file) }
    configuration = try NetworkConfiguration(oldBytes)
    before = try configuration.policy()
    policy = before
    guard before != nil || !entry.list.hasPolicy else {
      throw CNIError(
        .invalidNetworkConfig,
        "network \(network): its key \"policy\" is in the directory beside \(file): want it in the file")
    }
  }

  /// Why it is refused while containers are attached on this host; `nil`: it is not.
  var obstacle: String? {
    let isForOwn = { (policy: PolicyConfig?) in policy?.isForOwn(network) ?? false }
    if configuration.separatesContainers, isForOwn(policy) != isForOwn(before) {
      return "the policy changes how its containers are kept apart: want none attached on this host"
    }
    if before?.limitsBoth == true, policy?.limitsBoth != true, configuration.isIsolatedByDefault {
      return
        "without the policy its key \"isolation\" is \"network\" by default, which attached containers lack: want the key, or none attached on this host"
    }
    return nil
  }

  /// - Throws: code 7 with what the plugins refuse in the changed configuration.
  func checkSettings(_ runtime: Runtime) throws(CNIError) {
    let errors = runtime.settingsFindings(try NetworkList(configuration.root.bytes))
    guard errors.isEmpty else {
      throw CNIError(.invalidNetworkConfig, "network \(network): \(errors.map(\.text).joined(separator: "; "))")
    }
  }

  func write() throws(CNIError) { try replaceFile(with: Array("\(configuration.root.pretty())\n".utf8)) }

  func restore() throws(CNIError) { try replaceFile(with: oldBytes) }

  private var directory: String { file.lastIndex(of: "/").map { String(file[..<$0]) } ?? "." }

  /// Replaces the file, or what it is a symbolic link to.
  private func replaceFile(with bytes: [UInt8]) throws(CNIError) {
    try convertingErrors(as: .ioFailure) { () throws(KernelError) in
      let path = try Files.linkTarget(file).map { $0.hasPrefix("/") ? $0 : "\(directory)/\($0)" } ?? file
      let mode = try Files.status(path)?.mode ?? 0o644
      try Files.replace(path, with: bytes, mode: mode, durable: true)
    }
  }

  /// With the attachments whose rules were changed; `nil` in a dry run.
  func json(changed owners: [AttachmentID]?) -> JSONValue {
    .record([
      "network": .text(network), "file": .text(file), "changed": .bool(isChanged), "policy": policy?.json,
      "attachments": owners.map { owners in
        .array(
          owners.map { owner in
            .record(["container": .text(owner.container), "interface": .text(owner.interface)])
          })
      },
    ])
  }
}

extension PolicyConfig {
  fileprivate var limitsBoth: Bool { ingress != nil && egress != nil }
}

extension NetworkConfiguration {
  /// Whether the plugin isolates the network unless a policy limits both directions.
  fileprivate var isIsolatedByDefault: Bool { pluginType == "overlay-vxlan" && isolation == nil }
}
