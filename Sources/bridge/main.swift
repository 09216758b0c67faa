import Netlink
import PluginKit

runPlugin(MainPlugin(BridgeDriver(), on: LiveKernel.open))
