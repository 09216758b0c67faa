import NetTypes
import Netlink
import PluginKit

runPlugin(
  MainPlugin(UpperDriver<VLANConfig>()) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container)
  })
