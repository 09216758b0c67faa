import BaseSupport
import CNI
import Foundation
import NetTypes
import Testing

/// The built executable: many concurrent processes, killed processes, full and faulty disks.
@Suite struct ProcessTests {
  @Test func `hundreds of ADDs at once get different addresses, and DELs release all`() throws {
    try inDataDirectory { directory in
      let text = config(directory, #""ranges": [[{"subnet": "10.1.0.0/23"}], [{"subnet": "fd00::/64"}]]"#)
      let added = try (0..<300).map { try PluginRun.ours.start("ADD", "c\($0)", text) }.map {
        try PluginRun.ours.finish($0)
      }
      #expect(added.filter { $0.status != 0 } == [])
      #expect(Set(added.flatMap(\.addresses)).count == 600)
      #expect(leases("\(directory)/net").count == 600)
      let removed = try (0..<300).map { try PluginRun.ours.start("DEL", "c\($0)", text) }.map {
        try PluginRun.ours.finish($0)
      }
      #expect(removed.filter { $0.status != 0 } == [])
      #expect(leases("\(directory)/net") == [])
    }
  }

  @Test func `a pool with one address too few refuses exactly one ADD`() throws {
    try inDataDirectory { directory in
      let text = config(directory, #""subnet": "10.1.0.0/27""#, version: "1.1.0")
      let added = try (0..<30).map { try PluginRun.ours.start("ADD", "c\($0)", text) }.map {
        try PluginRun.ours.finish($0)
      }
      #expect(added.count { $0.status == 0 } == 29)
      #expect(added.compactMap(\.code) == [102])
      let status = try PluginRun.ours("STATUS", "", text)
      #expect(status.code == 50)
      #expect(status.message == "network net: 0 of 29 addresses free in 10.1.0.1-10.1.0.30")
    }
  }

  @Test func `DEL removes what a killed ADD or DEL left`() throws {
    try inDataDirectory { directory in
      let text = config(directory, #""ranges": [[{"subnet": "10.1.0.0/28"}], [{"subnet": "fd00::/124"}]]"#)
      var random = Xorshift(seed: 31)
      for round in 0..<120 {
        let command = round % 3 == 2 ? "DEL" : "ADD"
        let process = try PluginRun.ours.start(command, "c\(round % 5)", text)
        usleep(UInt32.random(in: 0...12_000, using: &random))
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        #expect(
          fileNames("\(directory)/net").allSatisfy { IPAddress($0) != nil || $0 == "lock" || $0.hasPrefix("last_") })
        #expect(contents("\(directory)/net").allSatisfy { IPAddress($0.key) == nil || $0.value.hasSuffix("\r\neth0") })
        guard round % 10 == 9 else { continue }
        for container in 0..<5 { #expect(try PluginRun.ours("DEL", "c\(container)", text).status == 0) }
        #expect(leases("\(directory)/net") == [], "round \(round)")
        // The whole pool can be allocated: no address is missing in the index.
        let added = try (0..<13).map { try PluginRun.ours("ADD", "d\($0)", text) }
        #expect(Set(added.flatMap(\.addresses)).count == 26, "round \(round)")
        for container in 0..<13 { #expect(try PluginRun.ours("DEL", "d\(container)", text).status == 0) }
      }
    }
  }

  /// Returns a command that mounts a new tmpfs over the directory, in a new mount namespace.
  private func on(_ options: String, _ directory: String, _ script: String) -> [String] {
    [
      "/usr/bin/unshare", "-m", "/bin/sh", "-ec",
      "mount -t tmpfs none /run; mount -t tmpfs -o \(options) none \(directory); \(script)", "sh",
    ]
  }

  @Test(.needsRoot) func `ADD reports a read-only disk, and DEL without leases still succeeds`() throws {
    try inDataDirectory { directory in
      let text = config(directory, #""subnet": "10.1.0.0/24""#)
      let wrapper = on("ro", directory, #"exec "$@""#)
      let add = try PluginRun.ours("ADD", "a", text, wrapper: wrapper)
      #expect(add.code == 106)
      #expect(add.message == "make directory \(directory)/net: Read-only file system")
      #expect(try PluginRun.ours("DEL", "a", text, wrapper: wrapper).status == 0)
    }
  }

  @Test(.needsRoot) func `DEL names a lease that cannot be removed`() throws {
    try inDataDirectory { directory in
      let text = config(directory, #""subnet": "10.1.0.0/24""#)
      #expect(try PluginRun.ours("ADD", "a", text).status == 0)
      let wrapper = [
        "/usr/bin/unshare", "-m", "/bin/sh", "-ec",
        #"mount --bind "\#(directory)" "\#(directory)"; mount -o remount,bind,ro "\#(directory)"; exec "$@""#, "sh",
      ]
      let removal = try PluginRun.ours("DEL", "a", text, wrapper: wrapper)
      #expect(removal.message == "remove \(directory)/net/10.1.0.2: Read-only file system")
      #expect(removal.code == 106)
      #expect(try PluginRun.ours("DEL", "a", text).status == 0)
      #expect(leases("\(directory)/net") == [])
    }
  }

  /// The operation that fails if the disk has room for this number of files and attributes.
  @Test(
    .needsRoot,
    arguments: [
      (2, "open DIR/lock"), (3, "open DIR/10.1.0.2"), (4, "set attribute user.swift-cni DIR/10.1.0.2"),
      (5, "open DIR/last_reserved_ip.0"), (6, "open DIR/fd00::2"), (7, "open DIR/last_reserved_ip.1"),
    ])
  func `ADD on a full disk leaves no lease`(files: Int, operation: String) throws {
    try inDataDirectory { directory in
      let text = config(directory, #""ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]]"#)
      // Status 1: the plugin failed; 71: it failed and left no lease.
      let script = #"set +e; "$@"; code=$?; ls \#(directory)/net | grep -q "^10[.]\|^fd" || code=7$code; exit $code"#
      let answer = try PluginRun.ours("ADD", "a", text, wrapper: on("nr_inodes=\(files)", directory, script))
      let what = operation.replacing("DIR", with: "\(directory)/net")
      #expect(answer.status == 71)
      #expect(answer.code == 106)
      #expect(answer.message == "\(what): No space left on device")
    }
  }
}
