import CNetlink
import Glibc
import Kernel
import Linux
public import NetTypes

extension LiveKernel {
  /// Whether the namespace with this number (nsid) in the host's namespace is in use; for `LinkInfo.linkNetNSID`.
  ///
  /// A namespace that has ended keeps its links and its nsid until the kernel has cleaned it up.
  public func isInUse(namespace number: Int32) throws(KernelError) -> Bool {
    guard number >= 0 else { return false }
    let request = try Request(getNamespace, 0, rtgenmsg(), doing: "look up network namespace \(number)")
    request.put(namespaceNumber, number)
    return try host.socket.ask(request, absent: [.ENOENT]) != nil
  }
}

extension LiveKernel {
  /// The nsid of this process's namespace in the container's; `nil` if no link of the container has its peer in it.
  public func hostNSIDInContainer() throws(KernelError) -> Int32? {
    let own = try Namespace.own()
    return try withSocket(on: .container) { (socket) throws(KernelError) in
      let request = try Request(getNamespace, 0, rtgenmsg(), doing: "look up the host's network namespace")
      request.put(namespaceDescriptor, own.raw)
      let answer = try socket.ask(request)?.attributes(after: MemoryLayout<rtgenmsg>.size)
      return answer?.integer(namespaceNumber, as: Int32.self).flatMap { $0 < 0 ? nil : $0 }
    }
  }
}

/// `RTM_GETNSID`, `NETNSA_NSID` and `NETNSA_FD` of `<linux/rtnetlink.h>` and `<linux/net_namespace.h>`.
private let getNamespace = 90
private let namespaceNumber = 1
private let namespaceDescriptor = 3
