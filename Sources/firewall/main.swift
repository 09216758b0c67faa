import HostFilter
import NetTypes
import Netlink
import PluginKit

runPlugin(
  ChainedPlugin(FirewallDriver()) { () throws(KernelError) in
    try LiveKernel.open(containerNamespace: nil, filter: HostFilter())
  },
  libraries: LibraryUse(texts: []) { HostFilter.loadsLibraries })
