import LeaseDisk
import Netlink
import PluginKit

runPlugin(HostLocal(on: LiveKernel.open, leases: LeaseDirectory.open, subnets: SubnetRecords.subnet, text: fileText))
