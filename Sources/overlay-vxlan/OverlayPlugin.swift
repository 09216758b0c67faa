import CNI
import Kernel
import NetTypes
import Overlay
import PacketFilter
import PluginKit

/// The plugin `overlay-vxlan`: a main plugin that asks a control plane before, and publishes the attachment after.
struct OverlayPlugin<Control: ControlPlaneClient, Host: Kernel & ~Copyable>: Plugin {
  typealias Config = OverlayConfig

  static var name: String { OverlayDriver.name }
  static var namespaceRule: NamespaceRule { .container }
  static var limitsConnections: Bool { OverlayDriver.limitsConnections }

  private let control: Control
  private let main: MainPlugin<OverlayDriver, Host>

  /// - Parameters:
  ///   - control: the control plane of the network.
  ///   - openKernel: opens the kernel with these namespaces.
  init(_ control: Control, on openKernel: @escaping (NamespacePaths) throws(KernelError) -> Host) {
    self.control = control
    main = MainPlugin(OverlayDriver(), on: openKernel)
  }

  func checkSettings(_ call: Call<OverlayConfig>) throws(CNIError) {
    _ = try OverlaySettings(OverlayInput(placeholderFor: call.config), call.keys, call.arguments())
  }

  func add(_ call: Call<OverlayConfig>, commit: Commit) throws(CNIError) {
    var transaction = try main.begin(call)
    if !call.isDryRun, try addToWrittenTables(call, in: &transaction, commit: commit) { return }
    let input = try OverlayInput(
      call.config, control, of: call.owner.network, for: call.isDryRun ? .check : .add, on: &transaction.kernel)
    try attach(call, input, in: &transaction, commit: commit)
    guard !call.isDryRun else { return }
    do throws(CNIError) { try input.recordTables(control, of: call.owner.network, on: &transaction.kernel) } catch {
      warn("the next ADD compares every entry: \(error)")
    }
  }

  /// ADD without a look at each of the other hosts, if none of them has changed since the last ADD.
  ///
  /// - Returns: whether the attachment was made; if not, nothing was changed.
  private func addToWrittenTables(
    _ call: Call<OverlayConfig>, in transaction: inout Transaction<Host>, commit: Commit
  ) throws(CNIError) -> Bool {
    let written = try OverlayInput.written(call.config, control, of: call.owner.network, on: &transaction.kernel)
    guard let input = written else { return false }
    do throws(CNIError) { try attach(call, input, in: &transaction, commit: commit) } catch {
      guard error == WrittenDevices.areGone else { throw error }
      return false
    }
    return true
  }

  private func attach(
    _ call: Call<OverlayConfig>, _ input: OverlayInput, in transaction: inout Transaction<Host>, commit: Commit
  ) throws(CNIError) {
    let settings = try OverlaySettings(input, call.keys, call.arguments())
    try main.attach(
      call, settings, addresses: .ipam(input: input.ipamInput), after: call.previous, in: &transaction
    ) { (result) throws(CNIError) in
      guard !call.isDryRun else { return try commit(result) }
      try publish(result, call, settings, from: input.local) { () throws(CNIError) in try commit(result) }
    }
  }

  func check(_ call: Call<OverlayConfig>) throws(CNIError) {
    var kernel = try main.open(call)
    let input = try OverlayInput(call.config, control, of: call.owner.network, for: .check, on: &kernel)
    let settings = try OverlaySettings(input, call.keys, call.arguments())
    try main.check(call, settings, ipamInput: input.ipamInput, on: &kernel)
  }

  func delete(_ removal: Removal<OverlayConfig>) throws(CNIError) {
    try main.delete(
      removal,
      staleEntries: { (kernel) throws(KernelError) in
        try kernel.staleNeighbourRemoval(of: removal.owner, removal.config)
      }, withdraw: { () throws(CNIError) in try withdraw(removal.owner, removal.config) })
  }

  func collectGarbage(
    _ network: NetworkCall<OverlayConfig>, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError) {
    // The devices are removed with the last attachment.
    if valid.isEmpty { control.forgetTables(of: network.name) }
    try main.collectGarbage(network, valid: valid) { () throws(CNIError) in
      guard case .etcd(let plane) = network.config.controlPlane else { return }
      try control.collectGarbage(of: network.name, plane, valid: valid)
    }
  }

  func status(_ network: NetworkCall<OverlayConfig>) throws(CNIError) {
    var kernel = try main.openForStatus(network)
    let input: OverlayInput
    do throws(CNIError) {
      input = try OverlayInput(network.config, control, of: network.name, for: .status, on: &kernel)
      try checkDevices(of: network.name, input, on: &kernel)
    } catch {
      guard error.code == .tryAgainLater else { throw error }
      throw CNIError(.notAvailable, error.message, details: error.details)
    }
    try network.delegates.forward(.status, input.ipamInput)
  }

  /// Checks for STATUS that the network's devices exist as the control plane wants them, or can be made.
  private func checkDevices<K: Kernel & ~Copyable>(
    of network: NetworkName, _ input: OverlayInput, on kernel: inout K
  ) throws(CNIError) {
    let settings = try OverlaySettings(input, RuntimeKeys(), CNIArguments(""))
    let (obstacle, mtuExcess) = try convertingErrors { () throws(KernelError) in
      let reconciler = try OverlayReconciler(settings, of: network, on: &kernel)
      return (try reconciler.obstacle(on: &kernel), try reconciler.mtuExcess(on: &kernel))
    }
    if let obstacle { throw CNIError(.notAvailable, obstacle) }
    if let mtuExcess { throw mtuExcess }
    if let lack = kernel.filter.obstacle(.nftables) {
      warn("dstport \(settings.tunnel.port): VXLAN packets of containers and unknown hosts are not dropped: \(lack)")
    }
  }
}

extension OverlayPlugin where Host: ~Copyable {
  /// Publishes the attachment to other hosts and writes the result; if either fails, undoes the publishing.
  private func publish(
    _ result: AddResult, _ call: Call<OverlayConfig>, _ settings: OverlaySettings, from local: IPAddress,
    then commit: () throws(CNIError) -> Void
  ) throws(CNIError) {
    do throws(CNIError) {
      try publish(result, call, settings, from: local)
      try commit()
    } catch {
      do throws(CNIError) { try withdraw(call.owner, call.config) } catch { warn("not rolled back: \(error)") }
      throw error
    }
  }

  /// Publishes the container's addresses, without those of previous plugins; in mode l3 only if policies need them.
  ///
  /// - Throws: code 11 if that is not possible now; everything is then rolled back.
  private func publish(
    _ result: AddResult, _ call: Call<OverlayConfig>, _ settings: OverlaySettings, from local: IPAddress
  ) throws(CNIError) {
    guard case .etcd(let plane) = call.config.controlPlane else { return }
    let ips = result.ips.dropFirst(call.previous?.ips.count ?? 0)
    var container = PublishedContainer()
    if settings.mode == .l2 {
      container.endpoints = ips.compactMap { ip in
        ip.interface.flatMap { result.interfaces[$0].mac }.flatMap(MACAddress.init)
          .map { OverlayEndpoint(ip.address.address, $0) }
      }
    } else if settings.policy != nil, !settings.labels.isEmpty {
      container.labelled = ips.map { FarMember($0.address.address, settings.labels) }
    }
    try control.publish(container, of: call.owner, plane, as: call.config.host(at: local))
  }

  /// Undoes `publish`; no error if nothing was published.
  ///
  /// - Throws: code 11 if that is not possible now.
  private func withdraw(_ owner: AttachmentID, _ config: OverlayConfig?) throws(CNIError) {
    guard let config, case .etcd(let plane) = config.controlPlane else { return }
    try control.withdraw(owner, plane)
  }
}

extension Kernel where Self: ~Copyable {
  /// With EVPN, the removal of neighbour entries behind no port of the bridge but the container's.
  fileprivate mutating func staleNeighbourRemoval(
    of owner: AttachmentID, _ config: OverlayConfig?
  ) throws(KernelError) -> [Change] {
    guard config?.controlPlane.isEVPN ?? true else { return [] }
    let names = config?.names(of: owner.network) ?? OverlayNames(owner.network)
    return try strayNeighbours(of: names.bridge, without: [owner.hostInterface])
  }
}
