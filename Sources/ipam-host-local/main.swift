import IPAM
import Netlink
import PluginKit

runPlugin(HostLocal.onDisk(LiveKernel.open))
