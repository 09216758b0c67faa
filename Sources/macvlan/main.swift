import NetTypes
import Netlink
import PluginKit

runPlugin(
  MainPlugin(MacvlanDriver()) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container)
  })
