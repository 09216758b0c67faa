import CNI
import EtcdClient
import HostFilter
import Kernel
import Names
import NetTypes
import Netlink
import PluginKit

runPlugin(
  DNSHosts(
    filter: HostFilter(),
    findHostLink: { (address) throws(KernelError) in
      var kernel = try LiveKernel.open(containerNamespace: nil)
      // All host ends of `ptp` veths share one address, so no rule could limit port 53 to one network.
      guard let link = try kernel.outgoingLink(to: address), link.kind != "veth" else { return nil }
      return HostLink(
        link: link.name, addresses: try kernel.addresses(of: link.name, on: .host).map { $0.address })
    },
    connect: { (config) throws(CNIError) in EtcdClient(config) },
    dnsmasq: { DnsmasqSettings.program() }),
  libraries: LibraryUse(texts: ["etcd"]) { HostFilter.loadsLibraries })
