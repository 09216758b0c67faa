import HostFilter
import Kernel
import Netlink
import PluginKit

runPlugin(
  MainPlugin(OverlayDriver(control: PeersFiles())) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container, filter: HostFilter())
  })
