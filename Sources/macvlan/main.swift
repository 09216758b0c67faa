import ContainerLinks
import Kernel
import Netlink
import PluginKit

runPlugin(
  MainPlugin(UpperDriver<MacvlanConfig>()) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container)
  })
