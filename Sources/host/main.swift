import Linux
import Netlink
import PluginKit

runPlugin(HostNetwork(on: LiveKernel.open, isOwnNamespace: Namespace.isOwn))
