import CNI
import Foundation
import LabSupport
import Testing

/// Machines and containers that try to inject frames with forged VXLAN packets.
@Suite(.needsRoot) struct TunnelGuardTests {
  private static let mark = 0x88b5

  /// A script that sends VXLAN packets with a broadcast frame to each of these addresses.
  ///
  /// IPv4 packets with `source` are built as raw packets, so that the source address can be any.
  private func injection(_ network: OverlayNetwork, to targets: [String], from source: String? = nil) -> String {
    """
    python3 - \(network.vni) '\(source ?? "")' \(targets.joined(separator: " ")) <<'END'
    from socket import *
    from struct import pack
    from sys import argv
    vni, source, targets = int(argv[1]), argv[2], argv[3:]
    frame = b"\\xff" * 6 + bytes.fromhex("020000000666") + pack(">H", \(Self.mark)) + bytes(50)
    vxlan = pack(">II", 8 << 24, vni << 8) + frame
    for target in targets * 3:
        family = AF_INET6 if ":" in target else AF_INET
        try:
            if source and family == AF_INET:
                raw = socket(family, SOCK_RAW, IPPROTO_RAW)
                udp = pack(">HHHH", 4789, 4789, 8 + len(vxlan), 0) + vxlan
                raw.sendto(pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0,
                    inet_aton(source), inet_aton(target)) + udp, (target, 0))
                continue
            plain = socket(family, SOCK_DGRAM)
            plain.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
            if source: plain.bind((source, 0))
            plain.sendto(vxlan, (target, 4789))
        except OSError as error:
            print(error)
    END
    sleep 0.3
    """
  }

  /// Whether one of these frames arrives at the container.
  private func arrives(_ script: String, from namespace: String, at attachment: Attachment) throws -> Bool {
    try attachment.network.cluster.frames(on: "eth0", in: attachment.namespace, while: script, in: namespace)
      .contains { $0.etherType == Self.mark }
  }

  private func sync(_ network: OverlayNetwork, on host: Int) throws {
    let lab = network.cluster.hosts[host], directory = "\(lab.directory)/conf"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try network.config(on: host).line.write(toFile: "\(directory)/net.conf", atomically: true, encoding: .utf8)
    try lab.shell("\(Binaries.ours)/cnictl overlay sync --conf-dir \(directory)", in: lab.host)
  }

  /// A container of a plain bridge or of ptp, and one of the network itself.
  @Test(arguments: Family.allCases, ["bridge", "ptp"])
  func `a container cannot inject VXLAN packets on its own or another host`(underlay: Family, plugin: String) throws {
    try Cluster.use(containers: 2) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: .l2, number: 1, underlay: underlay, readsFile: true)
      try network.writePeers([0, 1])
      let attachments = [try network.attach(1, on: 0), try network.attach(1, on: 1)]
      try cluster.expect(attachments.mutual)
      let lab = cluster.hosts[0], isV4 = underlay == .v4
      let other = try lab.bridge(
        #"{"type": "\#(plugin)", "isGateway": true, "ipMasq": true}"#, subnets: ["10.99.0.0/24", "fd99::/64"],
        ipam: #"{"routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}"#)
      let result = try lab.add(other, to: 2, plugin: plugin).result()
      let vteps = [0, 1].map { cluster.underlay($0, underlay) }
      let near = [vteps[0], isV4 ? "10.99.0.1" : "fd99::1"] + (isV4 ? ["224.0.0.1", "10.99.0.255"] : ["ff02::1%eth0"])
      for (targets, at) in [(near, attachments[0]), ([vteps[1]], attachments[1])] {
        #expect(try !arrives(injection(network, to: targets), from: lab.container(2), at: at), "\(targets)")
      }
      let script = injection(network, to: network.gateways(of: 0) + [vteps[0]])
      #expect(try !arrives(script, from: attachments[0].namespace, at: attachments[0]))
      // A container's own VXLAN packets to machines that are no host of the network must pass.
      try cluster.expect(
        [
          ExpectedReply(
            probe: Probe(from: lab.container(2), to: isV4 ? "172.30.0.1" : "fd30::1", .udp, 4789, patience: 45),
            isAnswered: true)
        ],
        servers: [Server("outside", in: cluster.fabric, .udp, 4789)])
      #expect(try attachments[0].check().complaint == "")
      try lab.check(other, result, on: 2, plugin: plugin).requireSuccess()
      try lab.delete(other, from: 2, plugin: plugin).requireSuccess()
      try lab.collectGarbage(other, keeping: [], plugin: plugin).requireSuccess()
      try expectOnlyContainers(network)
      try network.collectGarbage()
      #expect(try network.remains(on: 0) == "")
    }
  }

  /// `gc` does not take the tunnel's rules for stale rules of a container, and `repair` restores them.
  private func expectOnlyContainers(_ network: OverlayNetwork) throws {
    let lab = network.cluster.hosts[0]
    try sync(network, on: 0)
    let options = "--conf-dir \(lab.directory)/conf --plugin-dir \(Binaries.ours)"
    #expect(try !lab.shell("\(Binaries.ours)/cnictl gc --dry-run \(options)", in: lab.host).contains("host"))
    try lab.shell("nft flush map inet swift_cni tunnels", in: lab.host)
    let repaired = try lab.shell("\(Binaries.ours)/cnictl repair \(options)", in: lab.host)
    #expect(repaired == "\(network.name): tunnel: repaired\n")
  }

  /// Packets with a peer's source address pass: the rules check only addresses.
  @Test(arguments: Family.allCases)
  func `a host accepts VXLAN packets only from known peers`(underlay: Family) throws {
    try Cluster.use(containers: 1) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: .l2, number: 1, underlay: underlay, readsFile: true)
      try network.writePeers([0, 1])
      let attachments = [try network.attach(1, on: 0), try network.attach(1, on: 1)]
      let stranger = cluster.hosts[2].host, isV4 = underlay == .v4
      try cluster.hosts[2].shell("ip route add 224.0.0.0/4 dev eth0", in: stranger)
      let targets = [cluster.underlay(0, underlay)] + (isV4 ? ["172.30.0.255", "224.0.0.1"] : ["ff02::1%eth0"])
      for source in [nil, isV4 ? "172.30.0.77" : nil] {
        let script = injection(network, to: targets, from: source)
        #expect(try !arrives(script, from: stranger, at: attachments[0]), "\(source ?? "own")")
      }
      let script = injection(network, to: [targets[0]])
      #expect(try arrives(script, from: cluster.hosts[1].host, at: attachments[0]))
      // The machine passes while it is listed as a peer, and is blocked again afterwards.
      try network.writePeers([0, 1, 2])
      for host in 0...1 { try sync(network, on: host) }
      #expect(try arrives(script, from: stranger, at: attachments[0]))
      try cluster.expect((attachments + [try network.attach(1, on: 2)]).mutual)
      try network.writePeers([0, 1])
      try sync(network, on: 0)
      #expect(try !arrives(script, from: stranger, at: attachments[0]))
    }
  }

  @Test func `networks that share a UDP port admit the peers of both, and each removes only its own`() throws {
    try Cluster.use(containers: 2) { cluster in
      var networks = [1, 2].map { OverlayNetwork(cluster: cluster, kind: .l2, number: $0) }
      let peers = { (hosts: [Int]) in
        JSONValue.object(["controlPlane": .object(["type": "static", "peers": .array(hosts.map(networks[0].peer))])])
      }
      networks[0].keys = peers([0, 1])
      networks[1].keys = peers([0, 1, 2])
      let first = try networks[0].attach(1), second = try networks[1].attach(2)
      let script = injection(networks[0], to: [cluster.underlay(0)])
      #expect(try arrives(script, from: cluster.hosts[1].host, at: first))
      try second.delete()
      try networks[1].collectGarbage()
      #expect(try arrives(script, from: cluster.hosts[1].host, at: first))
      #expect(try !arrives(script, from: cluster.hosts[2].host, at: first))
      #expect(try first.check().complaint == "")
      // If peers are not known, every machine may send, but no container.
      let open = OverlayNetwork(cluster: cluster, kind: .multicast, number: 3)
      let third = try open.attach(2)
      #expect(try arrives(script, from: cluster.hosts[2].host, at: first))
      #expect(try !arrives(script, from: first.namespace, at: first))
      #expect(try first.check().complaint == "" && third.check().complaint == "")
      for attachment in [first, third] {
        try attachment.delete()
        try attachment.network.collectGarbage()
      }
      #expect(try open.remains(on: 0) == "")
    }
  }
}
