public import Kernel
import Linux
public import NetTypes

extension LiveKernel {
  /// Creates a link: the request goes to the parent's namespace and names the namespace of the new link.
  mutating func create(_ spec: LinkSpec, doing operation: String) throws(KernelError) {
    guard spec.alias == nil else { return try createWithAlias(spec, doing: operation) }
    var requestNetNS = spec.isPair ? NetNS.host : spec.netns
    var parent: Int32?
    if case .childLink(_, let key) = spec.kind {
      requestNetNS = key.netns
      parent = try index(of: key.name, on: key.netns, for: operation)
    }
    if case .vxlan(_, let underlayLink?) = spec.kind { parent = try index(of: underlayLink, on: .host, for: operation) }
    let targetNetNS = if case .veth(let peer) = spec.kind { peer.netns } else { spec.netns }
    let other = targetNetNS == .container && requestNetNS == .host ? containerDescriptor : nil
    do throws(KernelError) {
      try withSocket(on: requestNetNS) { (socket) throws(KernelError) in
        try explainingErrors(spec) { () throws(KernelError) in
          try socket.create(spec, parent: parent, otherNamespace: other)
        }
      }
    } catch  where error.errno == .EEXIST && other != nil && !spec.isPair {
      guard try link(spec.name, on: .container) == nil, try link(spec.name, on: .host) != nil else { throw error }
      try createUnderTemporaryName(spec, parent: parent, doing: operation)
    }
  }

  /// Creates the link in a new namespace, where no other process sees it, and deletes it.
  public mutating func testCreation(of spec: LinkSpec) throws(KernelError) {
    try recorded("try to create \(spec.kind) \(spec.name)") { (kernel) throws(KernelError) in
      try kernel.tryCreation(of: spec)
    }
  }

  private mutating func tryCreation(of spec: LinkSpec) throws(KernelError) {
    var parent: LinkInfo?
    if case .childLink(let childLink, let key) = spec.kind {
      guard let found = try link(key.name, on: .host) else { throw missingLink(key.name, "find the parent") }
      // A new ipvlan link would change the mode of the existing ones; if there are some, one more is possible.
      if case .ipvlan = childLink, try hasIPVLANLinks(found) { return }
      parent = found
    }
    try createInTestNamespace(spec, parent: parent?.index)
  }

  /// Whether the parent has ipvlan links: the kernel then refuses a macvlan link (EBUSY), as it does on a port of a master.
  private mutating func hasIPVLANLinks(_ link: LinkInfo) throws(KernelError) -> Bool {
    guard link.master == nil, let name = InterfaceName("trial") else { return false }
    let key = LinkKey(link.name, on: .host)
    do throws(KernelError) {
      try createInTestNamespace(
        LinkSpec(name, kind: .childLink(.macvlan(Macvlan(.bridge)), over: key)), parent: link.index)
      return false
    } catch { return error.errno == .EBUSY }
  }

  private mutating func createInTestNamespace(_ spec: LinkSpec, parent: Int32?) throws(KernelError) {
    let other = try NetNSHandle.inNewNamespace()
    try explainingErrors(spec) { () throws(KernelError) in
      try host.socket.create(spec, parent: parent, otherNamespace: other.descriptor)
    }
    // The kernel would delete it with the namespace, but later; until then the parent would seem to be in use.
    guard let trial = try other.socket.link(spec.name) else { return }
    try other.socket.delete(trial.index, doing: "delete \(spec.name)")
  }

  mutating func deleteLink(_ name: InterfaceName, on netns: NetNS, doing operation: String) throws(KernelError) {
    guard let link = try link(name, on: netns) else { return }
    indices[LinkKey(name, on: netns)] = nil
    do throws(KernelError) {
      try withSocket(on: netns) { (socket) throws(KernelError) in try socket.delete(link.index, doing: operation) }
    } catch  where error.errno == .ENODEV {}  // another process deleted it, or its namespace ended
  }

  mutating func deleteUnusedBridge(_ name: InterfaceName, doing operation: String) throws(KernelError) {
    guard let bridge = try link(name, on: .host), ["bridge", "vrf"].contains(bridge.kind) else { return }
    guard try host.socket.links(kind: nil, master: bridge.index).isEmpty else { return }
    try deleteLink(name, on: .host, doing: operation)
  }

  mutating func deleteUnroutedLink(_ name: InterfaceName, doing operation: String) throws(KernelError) {
    guard try link(name, on: .host) != nil, try routes(of: name, on: .host).isEmpty else { return }
    try deleteLink(name, on: .host, doing: operation)
  }

  mutating func changeLink(
    _ name: InterfaceName, on netns: NetNS, _ change: LinkChange, doing operation: String
  ) throws(KernelError) {
    let index = try index(of: name, on: netns, for: operation)
    let master: Int32? =
      if let master = change.master { try self.index(of: master, on: netns, for: operation) } else { nil }
    if let mtu = change.mtu, let existing = try link(name, on: netns), existing.kind == "bridge", existing.mtu == mtu {
      try pinMTU(of: index, mtu, on: netns, doing: operation)
    }
    try withSocket(on: netns) { (socket) throws(KernelError) in
      try socket.change(index, change, master: master, doing: operation)
    }
  }

  /// Waits until the link's state is up: Linux >= 6.8 updates it when it is read, older kernels within a second.
  mutating func awaitRunning(_ name: InterfaceName) throws(KernelError) {
    let deadline = Clock.now.advanced(bySeconds: 5)
    while true {
      let current = try withSocket(on: .host) { (socket) throws(KernelError) in try socket.link(name) }
      guard let link = current else { throw missingLink(name, "wait until the link runs") }
      if link.isRunning { return }
      guard Clock.now < deadline else {
        throw KernelError("wait until \(name) runs", errno: .ETIMEDOUT, reason: "its state is not up after 5 seconds")
      }
      Clock.sleep(milliseconds: 2)
    }
  }
}
