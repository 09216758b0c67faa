import CNI
import LabSupport
import Testing

// Group: end-to-end

/// Which leases are reused when a range is exhausted.
@Suite(.needsRoot, .serialized)
struct AddressReuseTests {
  private func config(_ lab: Lab) throws -> JSONValue {
    try lab.bridge(
      ipam: #"{"ranges": [[{"subnet": "10.77.0.0/24", "rangeStart": "10.77.0.2", "rangeEnd": "10.77.0.3"}]]}"#)
  }

  /// Scripts that keep the namespace `$NS` alive without its name; each writes the command that ends this to `end`.
  static let holders = [
    "a process": "ip netns exec $NS sleep 300 > /dev/null 2>&1 & echo kill $! > end; sleep 0.3",
    "an open file": "sleep 300 3< /run/netns/$NS > /dev/null 2>&1 & echo kill $! > end; sleep 0.3",
    "a mount": "touch held; mount --bind /run/netns/$NS held; echo umount $PWD/held > end",
    "a mount elsewhere":
      "unshare --mount --propagation private sh -c 'for n in /run/netns/*; do [ $n = /run/netns/'$NS' ] || umount $n; done; touch held; mount --bind /run/netns/'$NS' held; exec sleep 300' > /dev/null 2>&1 & echo kill $! > end; sleep 0.5",
    "another name":
      "touch /run/netns/$NS-2; mount --bind /run/netns/$NS /run/netns/$NS-2; echo ip netns del $NS-2 > end",
  ]

  @Test(arguments: holders.keys.sorted())
  func `an address stays leased while its namespace exists, even if the namespace has no name`(holder: String) throws {
    try Lab.use(containers: 4) { lab in
      let config = try config(lab)
      try lab.add(config, to: 1).requireSuccess()
      try lab.add(config, to: 2).requireSuccess()
      let script = try #require(Self.holders[holder])
      try lab.shell(
        """
        cd \(lab.directory); NS=\(lab.container(1)); \(script)
        ip netns del $NS
        """)
      #expect(try lab.add(config, to: 3).code == 102)
      #expect(try lab.ask("STATUS", config).code == 50)
      try lab.shell("sh \(lab.directory)/end; sleep 0.5")
      #expect(try lab.add(config, to: 3).result().text("ips.0.address") == "10.77.0.2/24")
      #expect(try lab.add(config, to: 4).code == 102)
    }
  }

  @Test func `an address is free if a new namespace has the inode number of the dead one`() throws {
    try Lab.use(containers: 2) { lab in
      let config = try config(lab)
      try lab.add(config, to: 1).requireSuccess()
      try lab.add(config, to: 2).requireSuccess()
      let name = lab.container(1)
      try lab.shell("ip netns del \(name); sleep 0.5; ip netns add \(name)")
      var call = lab.call("ADD", config, on: 1)
      call.variables["CNI_CONTAINERID"] = "new"
      #expect(try lab.run(call).result().text("ips.0.address") == "10.77.0.2/24")
    }
  }
}
