import NetTypes
import Netlink
import PluginKit

runPlugin(
  MainPlugin(ChildLinkDriver<IPVLANConfig>()) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container)
  })
