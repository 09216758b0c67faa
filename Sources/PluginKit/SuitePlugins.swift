/// The plugins of this suite by the names that they are installed under.
enum SuitePlugins {
  static let names: Set = [
    "bridge", "dns-hosts", "dnsname", "dummy", "firewall", "host", "host-local", "ipam-etcd", "ipam-host-local",
    "ipvlan", "loopback", "macvlan", "mesos-cni-port-mapper", "none", "overlay-vxlan", "portmap", "ptp", "service",
    "tuning", "vlan",
  ]
}
