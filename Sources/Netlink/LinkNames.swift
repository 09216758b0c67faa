import CNetlink
import Glibc
import Kernel
import NetTypes

extension NetlinkSocket {
  /// - Throws: EBUSY where the link is up; EEXIST where the name is taken.
  borrowing func rename(
    _ index: Int32, to name: InterfaceName, alias: String? = nil, doing operation: String
  ) throws(KernelError) {
    var header = ifinfomsg()
    header.ifi_index = index
    let request = try Request(RTM_NEWLINK, 0, header, doing: operation)
    request.put(IFLA_IFNAME, name.description)
    if let alias { request.put(IFLA_IFALIAS, bytes: Array(alias.utf8)) }
    try perform(request)
  }
}

extension LiveKernel {
  /// Makes a link whose name somebody else has where the kernel is asked for it, but nobody where it goes.
  ///
  /// Kernels before 6.15 look the new link's name up where they are asked for it: with an `eth0` on the host no
  /// container could get a link `eth0` over it. So it goes there under another name, which it changes there.
  mutating func createUnderAnotherName(_ spec: LinkSpec, parent: Int32?, doing operation: String) throws(KernelError) {
    var passing = spec
    let name = spec.name.passing
    passing.name = name
    try looking(on: .host) { (socket) throws(KernelError) in
      try explaining(passing) { () throws(KernelError) in
        try socket.create(passing, parent: parent, otherNamespace: containerDescriptor)
      }
    }
    try giveName(spec, on: .container, doing: operation)
  }

  /// Makes a link on the host that has its alias as soon as it has its name: the kernel takes none for a new one.
  ///
  /// The host's lock is held exclusively, so that what has the name it has on its way is a leftover.
  mutating func createWithAlias(_ spec: LinkSpec, doing operation: String) throws(KernelError) {
    var passing = spec
    passing.name = spec.name.passing
    try deleteUnusedBridge(passing.name, doing: "\(operation): delete \(passing.name)")
    try host.socket.create(passing, parent: nil, otherNamespace: nil)
    try giveName(spec, on: .host, doing: operation)
  }

  private mutating func giveName(_ spec: LinkSpec, on side: Side, doing operation: String) throws(KernelError) {
    let name = spec.name.passing
    try looking(on: side) { (socket) throws(KernelError) in
      do throws(KernelError) {
        guard let link = try socket.link(name) else { throw missing(name, operation) }
        try socket.rename(link.index, to: spec.name, alias: spec.alias, doing: operation)
      } catch {
        if let link = try socket.link(name) { try socket.delete(link.index, doing: "\(operation): delete \(name)") }
        throw error
      }
    }
  }
}
