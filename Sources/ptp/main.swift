import HostFilter
import IPAM
import NetTypes
import Netlink
import PluginKit

runPlugin(
  MainPlugin(PTPDriver(), peerNamespace: { $0.peerNamespace }) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container, peerPath: namespaces.peerPath, filter: HostFilter())
  }, builtIn: BuiltInPlugin(HostLocal.onDisk(LiveKernel.open)))
