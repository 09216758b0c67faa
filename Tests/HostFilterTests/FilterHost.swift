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
  let zones = FakeZones()

  /// - Parameter legacy: the legacy tables in use, a line each.
  /// - Throws: what the file system said.
  init(legacy: String = "") throws {
    state = "/tmp/t-filter-\(UUID().uuidString)"
    try Files.makeDirectories(state)
    try Files.replace("\(state)/tables", with: Array(legacy.utf8))
  }

  deinit { try? FileManager.default.removeItem(atPath: state) }

  var filter: HostFilter {
    HostFilter(
      iptables: iptables, nftables: nftables, zones: zones, state: state, sources: sources,
      legacyTables: ["\(state)/tables"])
  }

  var sources: String { "\(state)/firewalld" }

  func claims(_ backend: Backend) -> [Claim] { backend == .iptables ? iptables.claims : nftables.claims }
}

/// Rules kept in memory.
final class FakeBackend: FilterBackend {
  let name: Backend
  var claims: [Claim] = []
  /// Whose rules were replaced in one step.
  var replaced: [Owner] = []
  var isUsable = true
  var refusal: KernelError?
  var removalRefusal: KernelError?
  /// Rules that are refused, others are not.
  var refusedRules: [Rule]?
  /// Called before anything is added.
  var beforeAdding: () -> Void = {}

  init(_ name: Backend) { self.name = name }

  func add(_ claim: Claim) throws(KernelError) {
    if let refusal { throw refusal }
    if claim.rules == refusedRules { throw KernelError("add", errno: .EINVAL, reason: "refused") }
    beforeAdding()
    claims.append(claim)
  }

  func replace(_ old: Claim?, with claim: Claim) throws(KernelError) {
    replaced.append(claim.owner)
    try remove(claim.owner.filterTag, claim.part, known: old?.rules)
    try add(claim)
  }

  func remove(_ tag: String, _ part: Part, known: [Rule]?) throws(KernelError) {
    if let removalRefusal { throw removalRefusal }
    claims.removeAll { $0.owner.filterTag == tag && $0.part == part }
  }

  func missing(from claim: Claim) -> [Rule] {
    claims.contains { $0.owner == claim.owner && $0.part == claim.part } ? [] : claim.rules
  }

  func tags(_ part: Part, prefix: String) -> Set<String> {
    Set(claims.filter { $0.part == part }.map(\.owner.filterTag).filter { $0.hasPrefix(prefix) })
  }

  func holders(of ports: [PublishedPort]?) -> [PortHolder] { [] }

  func probe() throws(KernelError) {
    guard isUsable else { throw KernelError("\(name)", errno: .EOPNOTSUPP, reason: "not here") }
  }
}
