import CNI
import Kernel
import NetTypes
import PluginKit

/// The `host` network: containers that stay in the host's own namespace.
///
/// It changes nothing and reports the host's interfaces and addresses.
struct HostNetwork<Host: Kernel & ~Copyable>: Plugin {
  struct Config: JSONReadable, Sendable {
    init(_ json: JSONReader) {}
  }

  static var name: String { "host" }
  static var namespaceRule: NamespaceRule { .any }

  private let openKernel: (String?) throws(KernelError) -> Host
  private let isOwnNamespace: (String) throws(KernelError) -> Bool

  /// - Parameters:
  ///   - openKernel: opens the host's kernel.
  ///   - isOwnNamespace: whether a path is the network namespace of this process.
  init(
    on openKernel: @escaping (String?) throws(KernelError) -> Host,
    isOwnNamespace: @escaping (String) throws(KernelError) -> Bool
  ) {
    self.openKernel = openKernel
    self.isOwnNamespace = isOwnNamespace
  }

  func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    try checkNamespace(call)
    let result = try convertingErrors { () throws(KernelError) in try report() }
    try commit(call.previous ?? result)
  }

  private func checkNamespace(_ call: Call<Config>) throws(CNIError) {
    guard !call.namespacePath.isEmpty else { return }
    let isOwn = try convertingErrors { () throws(KernelError) in try isOwnNamespace(call.namespacePath) }
    guard isOwn else {
      throw CNIError(
        .invalidNamespace, "CNI_NETNS \(call.namespacePath): is a namespace of its own: want the host's, or none",
        details: "a container on the network \"\(call.owner.network)\" must be started without a network namespace")
    }
  }

  /// Every interface with its addresses: the default route's first, loopback last.
  private func report() throws(KernelError) -> AddResult {
    var kernel = try openKernel(nil)
    let uplink = try kernel.defaultRouteLink(.v4, on: .host)
    let links = try kernel.allLinks(on: .host).sorted { left, right in
      (left.index == uplink?.index ? 0 : left.isLoopback ? 2 : 1, left.index)
        < (right.index == uplink?.index ? 0 : right.isLoopback ? 2 : 1, right.index)
    }
    var result = AddResult()
    for (index, link) in links.enumerated() {
      result.interfaces.append(.init(name: link.name.description, mac: link.mac?.description, mtu: link.mtu))
      let addresses = try kernel.addresses(of: link.name, on: .host)
      result.ips += addresses.map { AddResult.IP(interface: index, address: $0) }
    }
    return result
  }

  func check(_ call: Call<Config>) throws(CNIError) {
    try checkNamespace(call)
    let current = try convertingErrors { () throws(KernelError) in try report() }
    let currentAddresses = Set(current.ips.map { $0.address })
    let missing = (call.previous?.ips ?? []).map { $0.address }.filter { !currentAddresses.contains($0) }
    guard missing.isEmpty else {
      let list = missing.map { $0.description }.joined(separator: ", ")
      throw CNIError(.differences, "the host no longer has \(list)")
    }
  }

  func delete(_ removal: Removal<Config>) throws(CNIError) {
    // ADD creates nothing.
  }

  func collectGarbage(_ network: NetworkCall<Config>, valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    // ADD creates nothing.
  }

  func status(_ network: NetworkCall<Config>) throws(CNIError) {
    // The host's network namespace always exists.
  }
}
