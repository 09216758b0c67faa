import NetTypes
import Netlink
import PluginKit

runPlugin(
  MainPlugin(UpperDriver<IPVLANConfig>()) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container)
  })
