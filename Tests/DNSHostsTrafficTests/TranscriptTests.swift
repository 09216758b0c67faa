import CNI
import LabSupport
import Testing

/// The example for names in Docker's documentation: three containers, two networks, one container on both.
@Suite(.needsRoot)
struct TranscriptTests {
  private let bridge = ("bridge", "172.17.0.0/16")
  private let isolated = ("isolated_nw", "172.20.0.0/16")

  @Test func `containers reach each other by the names of the networks that they share`() throws {
    try NamesLab.use(containers: 3) { names in
      for number in 1...2 { try names.connect(number, bridge.0, bridge.1) }
      #expect(try names.hosts(1) == Self.hosts(own: "172.17.0.2", names.short(1)) + Self.bridgeLines)
      #expect(try names.hosts(2) == Self.hosts(own: "172.17.0.3", names.short(2)) + Self.bridgeLines)
      #expect(try names.ping("container2", from: 1) == "172.17.0.3")
      #expect(try names.ping("container1", from: 2) == "172.17.0.2")

      try names.connect(3, isolated.0, isolated.1)
      try names.watch("container3", in: 2)
      try names.connect(2, isolated.0, isolated.1, as: "eth1")
      #expect(try names.watched() == "172.20.0.2")
      #expect(
        try names.hosts(2) == Self.hosts(own: "172.17.0.3", names.short(2)) + Self.bridgeLines + Self.isolatedLines)
      #expect(try names.ping("container2.isolated_nw", from: 3) == "172.20.0.3")
      #expect(try names.ping("container2", from: 3) == "172.20.0.3")
      #expect(try names.address(of: "container1", in: 3) == nil)
      #expect(try names.ping("container1", from: 3) == nil)
      #expect(try names.ping("container3", from: 2) == "172.20.0.2")
      #expect(try names.ping("container1", from: 2) == "172.17.0.2")

      try names.disconnect(2, isolated.0, isolated.1, as: "eth1")
      #expect(try names.hosts(2) == Self.hosts(own: "172.17.0.3", names.short(2)) + Self.bridgeLines)
      #expect(try names.address(of: "container2", in: 3) == nil)
      #expect(try names.ping("container3", from: 2) == nil)
      #expect(try names.ping("container1", from: 2) == "172.17.0.2")

      try names.disconnect(3, isolated.0, isolated.1)
      for number in 1...2 { try names.disconnect(number, bridge.0, bridge.1) }
      #expect(try names.lab.shell("ls -d /etc/netns/\(names.lab.name)-* 2>/dev/null || true") == "")
    }
  }

  private static func hosts(own address: String, _ short: String) -> [String] {
    [
      "\(address)\t\(short)", "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback",
      "fe00::0\tip6-localnet", "ff00::0\tip6-mcastprefix", "ff02::1\tip6-allnodes", "ff02::2\tip6-allrouters",
    ]
  }

  private static let bridgeLines = [
    "172.17.0.2\tcontainer1", "172.17.0.2\tcontainer1.bridge", "172.17.0.3\tcontainer2",
    "172.17.0.3\tcontainer2.bridge",
  ]

  private static let isolatedLines = [
    "172.20.0.2\tcontainer3", "172.20.0.2\tcontainer3.isolated_nw", "172.20.0.3\tcontainer2",
    "172.20.0.3\tcontainer2.isolated_nw",
  ]
}

extension NamesLab {
  fileprivate func short(_ number: Int) -> String { String("\(lab.name)-c\(number)".prefix(12)) }

  /// Starts a program in the container that waits until /etc/hosts, as mounted when it started, has the name.
  fileprivate func watch(_ name: String, in number: Int) throws {
    let found = "\(lab.directory)/found"
    try lab.shell(
      """
      ip netns exec \(lab.container(number)) sh -c '
        echo > \(found).started
        for n in $(seq 100); do
          getent -s hosts:files ahostsv4 \(name) > \(found).new && mv \(found).new \(found) && exit
          sleep 0.1
        done; echo nothing > \(found)' < /dev/null > /dev/null 2>&1 &
      while [ ! -e \(found).started ]; do sleep 0.05; done
      """, in: lab.host)
  }

  fileprivate func watched() throws -> String? {
    try lab.shell("while [ ! -e \(lab.directory)/found ]; do sleep 0.05; done; cat \(lab.directory)/found")
      .split(separator: " ").first.map(String.init)
  }
}
