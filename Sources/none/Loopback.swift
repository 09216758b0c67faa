import CNI
import Kernel
import NetTypes
import PluginKit

/// The `none` network: the container's loopback interface and nothing else.
///
/// It also serves as the `loopback` plugin.
struct Loopback<Host: Kernel & ~Copyable>: Plugin {
  struct Config: JSONReadable, Sendable {
    init(_ json: JSONReader) {}
  }

  static var name: String { "none" }
  static var namespaceRule: NamespaceRule { .container }

  private let openKernel: (String?) throws(KernelError) -> Host
  private let lo: InterfaceName

  init?(on openKernel: @escaping (String?) throws(KernelError) -> Host) {
    guard let lo = InterfaceName("lo") else { return nil }
    self.openKernel = openKernel
    self.lo = lo
  }

  func checkSettings(_ call: Call<Config>) throws(CNIError) {
    guard call.delegates.ipam == nil else {
      throw CNIError(.invalidNetworkConfig, "key \"ipam\": a network with loopback alone takes no addresses")
    }
  }

  func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    try checkSettings(call)
    var transaction = Transaction(
      call.prepared(try convertingErrors { () throws(KernelError) in try openKernel(call.namespacePath) }))
    do throws(CNIError) {
      let result = try convertingErrors { () throws(KernelError) in
        try transaction.apply(.changeLink(lo, on: .container, LinkChange(isUp: true)))
        return try report(call.namespacePath, on: &transaction.kernel)
      }
      try commit(call.previous ?? result)
    } catch {
      for leftover in transaction.rollBack() { warn("not rolled back: \(leftover)") }
      throw error
    }
  }

  /// The interface with its first address of each family.
  private func report<K: Kernel & ~Copyable>(_ sandbox: String, on kernel: inout K) throws(KernelError) -> AddResult {
    let addresses = try kernel.addresses(of: lo, on: .container)
    let first = IPFamily.allCases.compactMap { family in addresses.first { $0.family == family } }
    return AddResult(
      interfaces: [.init(name: lo.description, mac: MACAddress(value: 0).description, sandbox: sandbox)],
      ips: first.map { AddResult.IP(interface: 0, address: $0) })
  }

  func check(_ call: Call<Config>) throws(CNIError) {
    let isUp = try convertingErrors { () throws(KernelError) in
      var kernel = try openKernel(call.namespacePath)
      return try kernel.link(lo, on: .container)?.isUp == true
    }
    guard isUp else { throw CNIError(.differences, "container link lo is down: want it up") }
  }

  /// Sets the interface down as it was before ADD, unless another interface of the container is up.
  func delete(_ removal: Removal<Config>) throws(CNIError) {
    guard let path = removal.namespacePath else { return }
    try convertingErrors { () throws(KernelError) in
      var kernel = try openKernel(path)
      let others = try kernel.allLinks(on: .container).contains { $0.isUp && !$0.isLoopback }
      if !others { try kernel.apply(.changeLink(lo, on: .container, LinkChange(isUp: false))) }
    }
  }

  func collectGarbage(_ network: NetworkCall<Config>, valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    // This network has nothing on the host.
  }

  func status(_ network: NetworkCall<Config>) throws(CNIError) {
    // Every kernel has loopback.
  }
}
