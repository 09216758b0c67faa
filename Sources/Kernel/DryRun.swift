public import CNI
public import NetTypes
import PacketFilter

/// The lines that `CNI_PLAN=1` prints, collected until ADD ends without an error.
public final class PlanOutput {
  public private(set) var lines: [String] = []

  public init() {}

  public func add(_ more: [String]) { lines += more }

  /// How the line begins that holds the planned result.
  public static let resultPrefix = "# result "
}

/// An ADD that writes its changes down instead of making them.
///
/// The links of the plugins before this one are in no kernel then, so that what their result says of them counts.
public struct DryRun {
  let output: PlanOutput
  let writer: CommandLines
  /// The planned result of the plugins before this one.
  let previous: AddResult

  public init(output: PlanOutput, writer: CommandLines, previous: AddResult) {
    self.output = output
    self.writer = writer
    self.previous = previous
  }

  /// The link as the result of the plugins before this one has it.
  public func link(_ name: InterfaceName, on netns: NetNS) -> LinkInfo? {
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
  public func outgoingLink(to address: IPAddress) -> InterfaceName? {
    guard previous.ips.contains(where: { $0.address.address == address }) else { return nil }
    return interfaces(on: .host).first.flatMap { InterfaceName($0.name) }
  }

  /// Whether it is a setting of a link that the plugins before this one would make.
  public func hasLink(of key: String, on netns: NetNS) -> Bool {
    Sysctl(key, "").interface.map { link($0, on: netns) != nil } ?? false
  }

  private func interfaces(on netns: NetNS) -> [AddResult.Interface] {
    previous.interfaces.filter { ($0.sandbox?.isEmpty == false) == (netns == .container) }
  }
}

extension Kernel where Self: ~Copyable {
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
