import LabSupport
import Testing

/// Rules of other programs that depend on connection tracking: packets of an overlay must not be left out of it.
@Suite(.needsRoot) struct OtherProgramsTests {
  @Test func `a service address leads to a container of another host, and its replies come from that address`() throws {
    try Cluster.use(hosts: 2, containers: 1) { cluster in
      let attachments = try OverlayNetwork(cluster: cluster, kind: .l3, number: 1).attachEverywhere([1])
      let lab = cluster.hosts[0], service = "192.0.2.53"
      try lab.shell(
        """
        nft -f - <<'END'
        table ip services {
          chain translate {
            type nat hook prerouting priority -100;
            ip daddr \(service) tcp dport 80 dnat to \(attachments[1].addresses[0]):8000
          }
        }
        END
        """, in: lab.host)
      try cluster.expect(
        [
          ExpectedReply(
            probe: Probe(from: attachments[0].namespace, to: service, .tcp, 80, patience: 45), isAnswered: true)
        ],
        servers: [Server("container", in: attachments[1].namespace, .tcp, 8000)])
    }
  }

  @Test(arguments: OverlayNetwork.Kind.allCases)
  func `a host whose firewall accepts VXLAN packets by their connection state stays in the network`(
    kind: OverlayNetwork.Kind
  ) throws {
    try Cluster.use(hosts: 2, containers: 1) { cluster in
      let attachments = try OverlayNetwork(cluster: cluster, kind: kind, number: 1).attachEverywhere([1])
      for lab in cluster.hosts {
        try lab.shell(
          """
          nft -f - <<'END'
          table inet firewall {
            chain input {
              type filter hook input priority 0; policy drop;
              ct state established,related accept
              udp dport 4789 ct state new accept
              meta l4proto { icmp, icmpv6, igmp } accept
            }
          }
          END
          """, in: lab.host)
      }
      try cluster.expect(attachments.mutual)
    }
  }
}
