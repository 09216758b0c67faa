public import CNI
import Kernel
import Linux
public import NetTypes
public import PacketFilter

/// The packet filter of a container's network namespace, for policies of its interfaces.
///
/// Nothing is recorded: the owner's elements tell which rules it has, and the namespace's end removes them.
public struct ContainerFilter: PacketFilter {
  private let path: String?
  private let nftables = NftablesBackend()

  /// - Parameter path: the container's namespace; `nil` for none, which has no rules.
  public init(namespace path: String?) { self.path = path }

  private func enter<Value>(_ body: () throws(KernelError) -> Value) throws(KernelError) -> Value {
    guard let path else { throw KernelError(errno: .ENOENT, doing: "use the container's network namespace") }
    return try Namespace.open(path).enter(body)
  }

  public func lock() {}

  public func add(_ ruleSet: RuleSet) throws(KernelError) {
    try enter { () throws(KernelError) in try nftables.add(ruleSet) }
  }

  /// Replaces all policy rules of the rule set's owner, also those that are not complete any more, by one transaction.
  public func replaceRules(with ruleSet: RuleSet) throws(KernelError) {
    try enter { () throws(KernelError) in try nftables.replace(nil, with: ruleSet) }
  }

  /// As `FilterBackend.deniedPackets`.
  public func deniedPackets(by policy: Policy) throws(KernelError) -> DeniedPackets? {
    try enter { () throws(KernelError) in try nftables.deniedPackets(by: policy) }
  }

  public func commands(adding ruleSet: RuleSet) throws(KernelError) -> [String] {
    let lines = try enter { () throws(KernelError) in try nftables.commands(adding: ruleSet) }
    return lines.prefix(1).map { "nsenter --net=\((path ?? "").shellWord) \($0)" } + lines.dropFirst()
  }

  public func remove(_ owner: AttachmentID, _ role: PluginRole, everywhere: Bool) throws(KernelError) {
    guard path != nil else { return }
    do throws(KernelError) {
      try enter { () throws(KernelError) in try nftables.remove(owner.filterTag, role, recordedRules: nil) }
    } catch  where error.meansUnsupported {}  // a kernel without nf_tables has no rules
  }

  public func missing(from ruleSet: RuleSet) throws(KernelError) -> [Rule] {
    try enter { () throws(KernelError) in try nftables.missing(from: ruleSet) }
  }

  public func has(recorded ruleSet: RuleSet) throws(KernelError) -> Bool { try missing(from: ruleSet).isEmpty }
  public func ruleSet(of owner: AttachmentID, _ role: PluginRole) -> RuleSet? { nil }
  public func hasRecords(except owners: Set<AttachmentID>, _ role: PluginRole) -> Bool { false }
  public func ruleSets(_ role: PluginRole) -> [RuleSet] { [] }
  public func ruleSets(of network: NetworkName) -> [RuleSet] { [] }
  public func collectGarbage(_ network: NetworkName, _ role: PluginRole, valid: Set<AttachmentID>, everywhere: Bool) {}
  public func holders(of ports: [PublishedPort]?) -> [PortHolder] { [] }

  /// Asks the kernel in this process's own namespace: STATUS has no container.
  public func backend(_ requested: Backend?) throws(KernelError) -> Backend {
    try nftables.probe()
    return .nftables
  }
}
