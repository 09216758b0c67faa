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
  /// Creates a link in the container with a name that another link on the host has.
  ///
  /// Linux < 6.15 looks up the new name in the namespace of the request, which is the host's, and returns EEXIST if the
  /// host has `eth0`. So the link is created under a temporary name and renamed in the container.
  mutating func createUnderTemporaryName(_ spec: LinkSpec, parent: Int32?, doing operation: String) throws(KernelError)
  {
    var temporarySpec = spec
    let name = spec.name.temporaryName
    temporarySpec.name = name
    try withSocket(on: .host) { (socket) throws(KernelError) in
      try explainingErrors(temporarySpec) { () throws(KernelError) in
        try socket.create(temporarySpec, parent: parent, otherNamespace: containerDescriptor)
      }
    }
    try renameToFinalName(spec, on: .container, doing: operation)
  }

  /// Creates a link on the host; sets its final name and its alias together, after the creation.
  ///
  /// The kernel ignores an alias at creation, so a killed process would leave a link with the name and no alias.
  ///
  /// The host lock is held exclusively, so a link with the temporary name is left over from a process that was killed.
  mutating func createWithAlias(_ spec: LinkSpec, doing operation: String) throws(KernelError) {
    var temporarySpec = spec
    temporarySpec.name = spec.name.temporaryName
    try deleteUnusedBridge(temporarySpec.name, doing: "\(operation): delete \(temporarySpec.name)")
    try host.socket.create(temporarySpec, parent: nil, otherNamespace: nil)
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
