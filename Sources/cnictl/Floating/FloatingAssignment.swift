import CNI
import CNIRuntime
import Etcd
import EtcdClient
import EtcdRecords
import HostFilter
import Kernel
import NetTypes
import Netlink
import PacketFilter
import PluginKit

/// Gives a floating address to an attached container, as `portmap` does at ADD.
struct FloatingAssignment {
  private let address: IPAddress
  private let device: InterfaceName?
  private let moves: Bool
  private let owner: AttachmentID
  private let addresses: ContainerAddresses
  private let backend: Backend?
  /// `nil` if hosts do not share floating addresses.
  private let network: FloatingNetwork?

  /// - Throws: code 7 if the network lacks the plugin `portmap`, code 3 if the container's network namespace is gone.
  init(of address: IPAddress, on device: InterfaceName?, moves: Bool, to entry: ResultCache.Entry) throws(CNIError) {
    owner = entry.attachment.owner
    guard ContainerNamespace(of: entry.attachment).presence != .gone else {
      throw CNIError(
        .unknownContainer, "\(entry.attachment.sentence): its network namespace is gone: want a running container")
    }
    let list = try CachedAttachment(entry).list
    guard let plugin = list.portmap else {
      throw CNIError(
        .invalidNetworkConfig,
        "network \(owner.network): want the plugin portmap in its list, which removes the address at DEL")
    }
    let keys = JSONReader(plugin)
    network = try FloatingNetwork(owner.network, portmap: plugin)
    self.address = address
    self.device = if let device { device } else { try keys.parsed("floatingDevice") }
    self.moves = moves
    addresses = ContainerAddresses(of: owner.interface, in: entry.addResult)
    backend = try keys.parsed("backend")
  }

  /// - Throws: code 107 if another container has the address, code 7 if the container or the host lacks what it needs.
  func carryOut() throws(CNIError) {
    guard let network else { return try addRules() }
    let shared = try network.shared(), request = SharedFloatingAddresses.Request(address, moves: moves)
    var store = EtcdClient(network.config.etcd)
    let lock = try shared.lock()
    defer { _ = lock }
    let taken = try shared.take([request], for: owner, in: &store)
    var isAdded = false
    do throws(CNIError) {
      try addRules()
      isAdded = true
      guard try shared.has([request], for: owner, in: &store) else {
        throw CNIError(.portInUse, "floating address \(address): another host took it meanwhile")
      }
    } catch {
      do throws(CNIError) {
        if isAdded { _ = try FloatingRelease(of: address, from: owner).carryOut() }
        try shared.restore(taken, of: owner, in: &store)
      } catch { warn("not rolled back: \(error)") }
      throw error
    }
  }

  private func addRules() throws(CNIError) {
    try inTransaction { (transaction) throws(CNIError) in
      let float = try float(on: &transaction.kernel)
      let present = try convertingErrors { () throws(KernelError) in
        try transaction.kernel.filter.ruleSet(of: owner, .ports)
      }
      let claim = try FloatingClaim(
        float, for: owner, moves: moves, earlier: present?.floats ?? [], on: &transaction.kernel)
      let changes = try convertingErrors { () throws(KernelError) in
        var ruleSet =
          if let present { present } else {
            RuleSet(owner, .ports, [], backend: try transaction.kernel.filter.backend(backend))
          }
        ruleSet.rules.removeAll { $0.isFloat(of: address) }
        ruleSet.rules.append(.float(claim.float))
        let moved = try present?.floats.removals(except: ruleSet.floats, on: &transaction.kernel) ?? []
        // Rules first: their record lists the addresses that DEL has to remove.
        return claim.releases + moved + [present == nil ? .addRules(ruleSet) : .setRules(ruleSet)] + claim.additions
          + [claim.float].connectionRemovals
      }
      return changes
    }
  }

  private func float(on kernel: inout LiveKernel<HostFilter>) throws(CNIError) -> FloatingAddress {
    var addresses = addresses
    let prefix = try addresses.prefix(address.family, for: "floating address \(address)", configKey: "floatingIPs")
    let link = try addresses.link(to: prefix, on: &kernel)
    return FloatingAddress(address, to: prefix.address, link: link, subnet: prefix.network, device: device)
  }
}

/// Takes a floating address from the container of this host that has it.
struct FloatingRelease {
  private let address: IPAddress
  private let owner: AttachmentID?

  /// - Parameters:
  ///   - address: the address.
  ///   - owner: the attachment that loses it; `nil`: whichever has it.
  init(of address: IPAddress, from owner: AttachmentID? = nil) {
    self.address = address
    self.owner = owner
  }

  /// - Returns: the attachment that had it; `nil` if none has it.
  func carryOut() throws(CNIError) -> AttachmentID? {
    var holder: AttachmentID?
    try inTransaction { (transaction) throws(CNIError) in
      try convertingErrors { () throws(KernelError) in
        let holders = try transaction.kernel.filter.ruleSets(.ports).filter { ruleSet in
          ruleSet.owner == owner ?? ruleSet.owner && ruleSet.rules.contains { $0.isFloat(of: address) }
        }
        holder = holders.first?.owner
        return try holders.first?.releases(of: address, on: &transaction.kernel) ?? []
      }
    }
    return holder
  }
}

/// Makes the changes that `plan` wants, under the packet filter's lock: all or none.
private func inTransaction(
  _ plan: (inout Transaction<LiveKernel<HostFilter>>) throws(CNIError) -> [Change]
) throws(CNIError) {
  var transaction = try convertingErrors { () throws(KernelError) in
    Transaction(try LiveKernel.open(containerNamespace: nil, filter: HostFilter()))
  }
  try convertingErrors { () throws(KernelError) in try transaction.kernel.filter.lock() }
  let changes = try plan(&transaction)
  do throws(KernelError) {
    for change in changes { try transaction.apply(change) }
  } catch {
    for leftover in transaction.rollBack() { warn("not rolled back: \(leftover)") }
    throw CNIError(error)
  }
}
