import CNI
import IPAM
import NetTypes
import Netlink
import PluginKit

runPlugin(
  MainPlugin(
    ChildLinkDriver<IPVLANConfig>(),
    chainInput: { (config, settings, previous) throws(CNIError) in try config.chainInput(settings, previous) }
  ) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container)
  }, builtIn: BuiltInPlugin(HostLocal.onDisk(LiveKernel.open)))
