import IPAM
import Netlink
import PluginKit

runPlugin(
  HostLocal(
    on: LiveKernel.open, leases: LeaseDirectory.open, flushing: LeaseDirectory.flush, subnets: SubnetRecords.subnet,
    text: fileText))
