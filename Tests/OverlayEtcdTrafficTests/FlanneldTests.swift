import CNI
import EtcdSupport
import LabSupport
import Testing

@Suite(.needsRoot, .serialized)
struct `Interoperation with flanneld` {
  /// The MAC address of the VTEP of a host that is configured by hand as flanneld 0.2x does.
  private static let mac = "5e:11:22:33:44:55"

  @Test func `a flanneld host and our host exchange packets on one network`() throws {
    try Site.use(containers: 1) { site in
      var network = EtcdNetwork(site: site)
      network.number = 1
      let config = #"{"Network":"10.81.0.0/16","SubnetLen":24,"Backend":{"Type":"vxlan","VNI":101}}"#
      try site.etcd.control(["put", "\(network.prefix)/config", config])
      let vtep = site.cluster.underlay(2)
      let lease = try site.etcd.control(["lease", "grant", "86400"]).split(separator: " ")[1]
      try site.etcd.control([
        "put", "--lease=\(lease)", "\(network.prefix)/subnets/10.81.200.0-24",
        #"{"PublicIP":"\#(vtep)","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":101,"VtepMAC":"\#(Self.mac)"}}"#,
      ])
      let ours = network.config(on: 0).with("network", .array(["10.81.0.0/16"]))
      let lab = site.cluster.hosts[0], flanneld = site.cluster.hosts[2]
      let result = try lab.add(ours, to: 1, as: "eth0", plugin: "overlay-vxlan").result()
      let address = try #require(result.list("ips").first?.text("address")?.split(separator: "/").first)
      let base = address.split(separator: ".").prefix(3).joined(separator: ".") + ".0"
      let value = try JSONValue(
        json: try site.etcd.control(["get", "--print-value-only", "\(network.prefix)/subnets/\(base)-24"]))
      #expect(value.text("PublicIP") == site.cluster.underlay(0) && value.text("BackendType") == "vxlan")
      let mac = try #require(value.text("BackendData.VtepMAC"))
      try lay(flanneld, vtep, base, mac, ours: site.cluster.underlay(0))
      try site.expect(
        [
          Probe(from: lab.container(1), to: "10.81.200.2", .ping, 0, patience: 45, size: 1422),
          Probe(from: flanneld.container(1), to: String(address), .ping, 0, patience: 45, size: 1422),
        ], answered: true)
    }
  }

  /// Creates the devices that flanneld creates, and a container behind them.
  private func lay(_ flanneld: Lab, _ vtep: String, _ base: String, _ mac: String, ours: String) throws {
    try flanneld.shell(
      """
      ip link add flannel.101 mtu 1450 address \(Self.mac) type vxlan id 101 local \(vtep) dev eth0 dstport 8472 nolearning
      ip address add 10.81.200.0/32 dev flannel.101 && ip link set flannel.101 up
      ip neigh replace \(base) lladdr \(mac) dev flannel.101 nud permanent
      bridge fdb replace \(mac) dev flannel.101 dst \(ours) self permanent
      ip route replace \(base)/24 via \(base) dev flannel.101 onlink
      sysctl -qw net.ipv4.ip_forward=1
      ip link add cni0 mtu 1450 type bridge && ip address add 10.81.200.1/24 dev cni0 && ip link set cni0 up
      ip link add v1 mtu 1450 type veth peer name eth0 mtu 1450 netns \(flanneld.path(flanneld.container(1)))
      ip link set v1 master cni0 up
      """, in: flanneld.host)
    try flanneld.shell(
      "ip address add 10.81.200.2/24 dev eth0 && ip link set eth0 up && ip route add default via 10.81.200.1",
      in: flanneld.container(1))
  }
}
