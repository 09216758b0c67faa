import CNI
import EtcdClient
import HostFilter
import IPAM
import NetTypes
import Netlink
import Overlay
import PluginKit

runPlugin(
  OverlayPlugin(
    EtcdControlPlane(warn: warn) { (config) throws(CNIError) in EtcdClient(config) }
  ) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container, filter: HostFilter())
  }, builtIn: BuiltInPlugin(HostLocal.onDisk(LiveKernel.open)))
