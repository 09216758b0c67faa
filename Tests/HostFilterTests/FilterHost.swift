import CNI
import Foundation
import HostFilter
import Linux
import NetTypes
import PacketFilter

/// A host with two backends in memory and a state directory of its own.
final class FilterHost {
  let state: String
  let nftables = FakeBackend(.nftables)
  let iptables = FakeBackend(.iptables)
  let zones = FakeFirewalld()

  /// - Parameter legacy: the legacy tables in use, one per line.
  /// - Throws: an error of the file system.
  init(legacy: String = "") throws {
    state = "/tmp/t-filter-\(UUID().uuidString)"
    try Files.makeDirectories(state)
    try Files.replace("\(state)/tables", with: Array(legacy.utf8))
  }

  deinit { try? FileManager.default.removeItem(atPath: state) }

  var filter: HostFilter {
    HostFilter(
      iptables: iptables, nftables: nftables, zones: zones, state: state, resultCache: results,
      sources: sources,
      legacyTables: ["\(state)/tables"])
  }

  var sources: String { "\(state)/firewalld" }
  var results: String { "\(state)/results" }

  func ruleSets(_ backend: Backend) -> [RuleSet] { backend == .iptables ? iptables.ruleSets : nftables.ruleSets }
}

/// A backend with rules in memory.
final class FakeBackend: FilterBackend {
  let name: Backend
  var ruleSets: [RuleSet] = []
  /// The owners whose rules were replaced in one step.
  var replaced: [AttachmentID] = []
  var isUsable = true
  var refusal: KernelError?
  var removalRefusal: KernelError?
  var changeRefusal: KernelError?
  /// What was changed by the difference only: old and new rules.
  var changed: [[RuleSet]] = []
  /// The rules that are refused; `nil`: none.
  var refusedRules: [Rule]?
  /// Called before anything is added.
  var beforeAdding: () -> Void = {}
  /// What policies look up, in the order in which it was filled in.
  var filled: [PeerContents] = []

  func fill(_ contents: PeerContents) throws(KernelError) { filled.append(contents) }

  init(_ name: Backend) { self.name = name }

  func add(_ ruleSet: RuleSet) throws(KernelError) {
    if let refusal { throw refusal }
    if ruleSet.rules == refusedRules { throw KernelError("add", errno: .EINVAL, reason: "refused") }
    beforeAdding()
    ruleSets.append(ruleSet)
  }

  func change(_ old: RuleSet, to ruleSet: RuleSet) throws(KernelError) {
    changed.append([old, ruleSet])
    if let changeRefusal { throw changeRefusal }
  }

  func replace(_ old: RuleSet?, with ruleSet: RuleSet) throws(KernelError) {
    replaced.append(ruleSet.owner)
    try remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: old?.rules)
    try add(ruleSet)
  }

  func remove(_ tag: String, _ role: PluginRole, recordedRules: [Rule]?) throws(KernelError) {
    if let removalRefusal { throw removalRefusal }
    ruleSets.removeAll { $0.owner.filterTag == tag && $0.role == role }
  }

  func missing(from ruleSet: RuleSet) -> [Rule] {
    ruleSets.contains { $0.owner == ruleSet.owner && $0.role == ruleSet.role } ? [] : ruleSet.rules
  }

  func tags(_ role: PluginRole, prefix: String) -> Set<String> {
    Set(ruleSets.filter { $0.role == role }.map(\.owner.filterTag).filter { $0.hasPrefix(prefix) })
  }

  func holders(of ports: [PublishedPort]?) -> [PortHolder] { [] }

  func probe() throws(KernelError) {
    guard isUsable else { throw KernelError("\(name)", errno: .EOPNOTSUPP, reason: "not here") }
  }
}
