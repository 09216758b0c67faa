import Netlink
import PluginKit

if let plugin = Loopback(on: LiveKernel.open) { runPlugin(plugin) }
