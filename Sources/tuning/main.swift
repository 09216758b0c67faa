import Netlink
import PluginKit

runPlugin(Tuning(on: LiveKernel.open))
