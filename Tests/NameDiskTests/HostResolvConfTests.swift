import BaseSupport
import Foundation
import Names
import NetTypes
import Testing

@Suite struct HostResolvConfTests {
  @Test(
    arguments: [
      ("nameserver 10.0.0.1\nnameserver 127.0.0.53\n", "nameserver 10.9.9.9\n", ["10.0.0.1"]),
      ("nameserver 127.0.0.53\noptions edns0\n", "nameserver 10.9.9.9\nsearch up\n", ["10.9.9.9"]),
      ("nameserver ::1\n", "nameserver 10.9.9.9\n", ["10.9.9.9"]), ("nameserver 127.0.0.1\n", nil, []),
      ("nameserver 127.0.0.1\n", "nameserver 127.0.0.2\n", []), ("search only\n", "nameserver 10.9.9.9\n", []),
      (nil, "nameserver 10.9.9.9\n", []),
    ] as [(String?, String?, [String])])
  func `loopback name servers are left out, and systemd-resolved's upstream servers are used if none is left`(
    own: String?, upstream: String?, servers: [String]
  ) throws {
    try inTemporaryDirectory { path in
      try own.map { try Data($0.utf8).write(to: URL(fileURLWithPath: "\(path)/own")) }
      try upstream.map { try Data($0.utf8).write(to: URL(fileURLWithPath: "\(path)/up")) }
      var notes: [String] = []
      let entries = try HostResolvConf(path: "\(path)/own", upstreamPath: "\(path)/up").entries(notes: &notes)
      #expect(entries.nameservers.map(\.description) == servers)
      #expect(notes.isEmpty)
    }
  }

  @Test func `an unreadable file is reported`() throws {
    try inTemporaryDirectory { path in
      var notes: [String] = []
      let entries = try HostResolvConf(path: path, upstreamPath: path).entries(notes: &notes)
      #expect(entries.nameservers.isEmpty)
      #expect(notes.count == 1 && notes[0].contains(path))
    }
  }
}
