import CNI
import Kernel
import NetTypes
import PacketFilter

/// The lines that `CNI_PLAN=1` prints, collected until ADD ends without an error.
final class PlanOutput {
  private(set) var lines: [String] = []

  func add(_ more: [String]) { lines += more }

  /// How the line begins that holds the planned result.
  static let resultPrefix = "# result "
}

/// An ADD that writes its changes down instead of making them.
///
/// The links of the plugins before this one are in no kernel then, so that what their result says of them counts.
struct DryRun {
  let output: PlanOutput
  let writer: CommandLines
  /// The planned result of the plugins before this one.
  let previous: AddResult

  /// The link as the result of the plugins before this one has it.
  func link(_ name: InterfaceName, on netns: NetNS) -> LinkInfo? {
    let own = interfaces(on: netns)
    guard let index = own.firstIndex(where: { $0.name == name.description }) else { return nil }
    // Of two links on the host, the first is the bridge.
    let isBridge = netns == .host && index == 0 && own.count > 1
    var link = LinkInfo(
      name: name, index: 0, kind: isBridge ? "bridge" : nil, mtu: own[index].mtu ?? 1500,
      mac: own[index].mac.flatMap(MACAddress.init))
    link.isUp = true
    link.isRunning = true
    return link
  }

  /// The link on the host by which an address of the container is reached.
  func outgoingLink(to address: IPAddress) -> InterfaceName? {
    guard previous.ips.contains(where: { $0.address.address == address }) else { return nil }
    return interfaces(on: .host).first.flatMap { InterfaceName($0.name) }
  }

  /// Whether it is a setting of a link that the plugins before this one would make.
  func hasLink(of key: String, on netns: NetNS) -> Bool {
    Sysctl(key, "").interface.map { link($0, on: netns) != nil } ?? false
  }

  private func interfaces(on netns: NetNS) -> [AddResult.Interface] {
    previous.interfaces.filter { ($0.sandbox?.isEmpty == false) == (netns == .container) }
  }
}

extension TracingKernel where Base: ~Copyable {
  /// Writes the commands of a change down.
  mutating func write(_ change: Change, _ dryRun: DryRun) throws(KernelError) {
    var filter = filter
    let changes = try steps(of: change)
    dryRun.output.add(
      try dryRun.writer.lines(of: changes) { (ruleSet) throws(KernelError) in try filter.commands(adding: ruleSet) })
  }

  /// What is left to do of a change that leaves alone what is so already.
  private mutating func steps(of change: Change) throws(KernelError) -> [Change] {
    switch change {
    case .setTunnelTables(let wanted):
      guard try link(wanted.device, on: .host) != nil, try link(wanted.neighbourLink, on: .host) != nil else {
        return [change]
      }
      return wanted.changes(from: try tunnelTables(like: wanted))
    case .setRules: return try differences(from: change, on: &self).isEmpty ? [] : [change]
    case .setChecksumOffload(let name, _):
      guard try link(name, on: .host) != nil else { return [change] }
      return try differences(from: change, on: &self).isEmpty ? [] : [change]
    default: return [change]
    }
  }
}

/// A packet filter that is looked at and never changed.
struct ReadOnlyFilter: PacketFilter {
  private var base: any PacketFilter

  init(_ base: any PacketFilter) { self.base = base }

  func lock() {}
  func unlock() {}
  func add(_ ruleSet: RuleSet) throws(KernelError) { throw refusal }
  func set(_ ruleSet: RuleSet) throws(KernelError) { throw refusal }
  func remove(_ owner: AttachmentID, _ role: PluginRole, everywhere: Bool) throws(KernelError) { throw refusal }

  func removeReferenceRules(of owner: AttachmentID, _ role: PluginRole, addresses: [IPAddress], zone: String?)
    throws(KernelError)
  {
    throw refusal
  }

  func collectGarbage(
    _ network: NetworkName, _ role: PluginRole, valid: Set<AttachmentID>, everywhere: Bool
  ) throws(KernelError) { throw refusal }

  private var refusal: KernelError {
    KernelError("change packet filter rules", errno: .EPERM, reason: "CNI_PLAN=1 changes nothing")
  }

  mutating func commands(adding ruleSet: RuleSet) throws(KernelError) -> [String] { try base.commands(adding: ruleSet) }
  mutating func missing(from ruleSet: RuleSet) throws(KernelError) -> [Rule] { try base.missing(from: ruleSet) }
  mutating func drops(for ruleSet: RuleSet) throws(KernelError) -> [String] { try base.drops(for: ruleSet) }
  mutating func drop(ofEvery kind: Passage.Kind) throws(KernelError) -> String? { try base.drop(ofEvery: kind) }

  mutating func ruleSet(of owner: AttachmentID, _ role: PluginRole) throws(KernelError) -> RuleSet? {
    try base.ruleSet(of: owner, role)
  }

  mutating func hasRecords(except owners: Set<AttachmentID>, _ role: PluginRole) throws(KernelError) -> Bool {
    try base.hasRecords(except: owners, role)
  }

  mutating func needsRouteLocalnet(_ link: InterfaceName, except owners: Set<AttachmentID>) throws(KernelError) -> Bool
  {
    try base.needsRouteLocalnet(link, except: owners)
  }

  mutating func ruleSets(of network: NetworkName) throws(KernelError) -> [RuleSet] { try base.ruleSets(of: network) }

  mutating func ruleSets(of network: NetworkName, except kept: Set<AttachmentID>) throws(KernelError) -> [RuleSet] {
    try base.ruleSets(of: network, except: kept)
  }

  mutating func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder] {
    try base.holders(of: ports)
  }

  mutating func backend(_ wanted: Backend?) throws(KernelError) -> Backend { try base.backend(wanted) }
  func firewalldUnavailableReason() -> KernelError? { base.firewalldUnavailableReason() }
}

extension Call {
  /// Whether ADD only prints what it would do (`CNI_PLAN=1`).
  public var isDryRun: Bool { plan != nil }

  /// Adds lines to what `CNI_PLAN=1` prints; no-op for an ADD that is carried out.
  public func plan(_ lines: [String]) { plan?.add(lines) }

  /// What the kernel needs to write changes down; `nil` for an ADD that is carried out.
  func dryRun(peerPath: String? = nil) -> DryRun? {
    plan.map {
      DryRun(
        output: $0, writer: CommandLines(container: namespacePath, peerPath: peerPath),
        previous: previous ?? AddResult())
    }
  }
}
