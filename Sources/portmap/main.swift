import HostFilter
import NetTypes
import Netlink
import PluginKit

runPlugin(
  ChainedPlugin(PortmapDriver()) { () throws(KernelError) in
    try LiveKernel.open(containerNamespace: nil, filter: HostFilter())
  },
  libraries: LibraryUse(texts: ["conditionsV4", "conditionsV6"]) { HostFilter.loadsLibraries })
