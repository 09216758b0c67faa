import CNI
import Etcd
import EtcdClient
import HostFilter
import Kernel
import Netlink
import OverlayEtcd
import PluginKit

runPlugin(
  MainPlugin(
    OverlayDriver(control: EtcdControl(warn: warn) { (config) throws(CNIError) in EtcdClient(config) })
  ) { (namespaces) throws(KernelError) in
    try LiveKernel.open(containerNamespace: namespaces.container, filter: HostFilter())
  })
