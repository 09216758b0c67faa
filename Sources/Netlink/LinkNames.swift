import CNetlink
import Glibc
import Kernel
import NetTypes

extension NetlinkSocket {
  /// - Throws: EBUSY if the link is up; EEXIST if the name is taken.
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
  /// Creates a link whose name is taken in the namespace of the request but free in the namespace of the link.
  ///
  /// Linux < 6.15 looks up the new name in the namespace of the request (EEXIST): if the host has `eth0`, no container
  /// could get a link `eth0` from there. So the link is created under a temporary name and renamed in its own namespace.
  mutating func createUnderTemporaryName(_ spec: LinkSpec, parent: Int32?, doing operation: String) throws(KernelError)
  {
    var temporaryName = spec
    let name = spec.name.temporaryName
    temporaryName.name = name
    try withSocket(on: .host) { (socket) throws(KernelError) in
      try explainingErrors(temporaryName) { () throws(KernelError) in
        try socket.create(temporaryName, parent: parent, otherNamespace: containerDescriptor)
      }
    }
    try renameToFinalName(spec, on: .container, doing: operation)
  }

  /// Creates a link on the host that has its alias as soon as it has its name: the kernel ignores an alias at creation.
  ///
  /// The host lock is held exclusively, so a link with the temporary name is left over from a process that was killed.
  mutating func createWithAlias(_ spec: LinkSpec, doing operation: String) throws(KernelError) {
    var temporaryName = spec
    temporaryName.name = spec.name.temporaryName
    try deleteUnusedBridge(temporaryName.name, doing: "\(operation): delete \(temporaryName.name)")
    try host.socket.create(temporaryName, parent: nil, otherNamespace: nil)
    try renameToFinalName(spec, on: .host, doing: operation)
  }

  private mutating func renameToFinalName(_ spec: LinkSpec, on netns: NetNS, doing operation: String)
    throws(KernelError)
  {
    let name = spec.name.temporaryName
    try withSocket(on: netns) { (socket) throws(KernelError) in
      do throws(KernelError) {
        guard let link = try socket.link(name) else { throw missingLink(name, operation) }
        try socket.rename(link.index, to: spec.name, alias: spec.alias, doing: operation)
      } catch {
        if let link = try socket.link(name) { try socket.delete(link.index, doing: "\(operation): delete \(name)") }
        throw error
      }
    }
  }
}
