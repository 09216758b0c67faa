import CNI
import Foundation
import NetTypes
import PluginKit
import Testing
@testable import dns_hosts

struct LifeTests {
  @Test func `ADD returns prevResult and writes the container's names to all hosts files`() throws {
    try Fixture.use { fixture in
      #expect(try fixture.add(1, #"{"domain": "example.com"}"#) == Fixture.previous(1))
      try fixture.add(2, #"{"args": {"cni": {"name": "web", "aliases": ["www"]}}}"#)
      #expect(fixture.names(of: "10.1.0.1", in: 2) == ["c1", "c1.net", "c1.example.com"])
      #expect(fixture.names(of: "10.1.0.2", in: 1) == ["web", "web.net", "www"])
      #expect(fixture.names(of: "fd00::2", in: 1) == ["web", "web.net", "www"])
      #expect(fixture.names(of: "192.0.2.1", in: 1) == [])
      #expect(fixture.names(of: "10.1.0.2", in: 2) == ["c2", "web", "web.net", "www"])
      try DNSHosts().check(fixture.call(1, #"{"domain": "example.com"}"#))
    }
  }

  @Test func `DEL needs only container and interface name and can be repeated`() throws {
    try Fixture.use { fixture in
      for number in 1...2 { try fixture.add(number) }
      for _ in 1...2 { try fixture.delete(2) }
      #expect(fixture.names(of: "10.1.0.2", in: 1) == [])
      try fixture.delete(1)
      try fixture.delete(7)
      #expect(fixture.files == [])
    }
  }

  @Test func `an ADD whose result cannot be written leaves nothing`() throws {
    try Fixture.use { fixture in
      try fixture.add(1)
      let before = fixture.files
      #expect(throws: CNIError(.ioFailure, "output is closed")) {
        try DNSHosts().add(fixture.call(2)) { _ throws(CNIError) in throw CNIError(.ioFailure, "output is closed") }
      }
      #expect(fixture.files == before)
      #expect(fixture.names(of: "10.1.0.2", in: 1) == [])
    }
  }

  @Test func `the delegate gets ADD first and DEL last`() throws {
    try Fixture.use { fixture in
      let delegating = #"{"delegate": {"type": "bridge"}}"#
      #expect(try fixture.add(1, delegating, isChained: false) == Fixture.previous(1))
      try fixture.delete(1, delegating)
      #expect(fixture.delegateCalls.commands == [.add, .del])
      #expect(fixture.delegateCalls.files == [[], []])
    }
  }

  @Test func `the delegate gets DEL if the names cannot be written`() throws {
    try Fixture.use { fixture in
      let call = try fixture.call(1, #"{"delegate": {"type": "bridge"}}"#, isChained: false)
      let plugin = DNSHosts { (what) throws(KernelError) in throw KernelError(what, errno: .ENOSPC, reason: "full") }
      #expect(throws: CNIError.self) { try plugin.add(call) { _ in } }
      #expect(fixture.delegateCalls.commands == [.add, .del])
      #expect(fixture.files == [])
    }
  }

  @Test func `ADD is refused outside of a chain`() throws {
    try Fixture.use { fixture in
      let error = #expect(throws: CNIError.self) { try fixture.add(1, isChained: false) }
      #expect(error?.message == "missing prevResult: dns-hosts must be called as chained plugin")
    }
  }

  @Test func `a network without hosts files writes only its state`() throws {
    try Fixture.use { fixture in
      let config = #"{"hosts": false}"#
      for number in 1...2 { try fixture.add(number, config) }
      #expect(fixture.files == ["state/net/c1:eth0.json", "state/net/c2:eth0.json"])
      try DNSHosts().check(fixture.call(1, config))
      for number in 1...2 { try fixture.delete(number, config) }
      #expect(fixture.files == [])
    }
  }

  @Test func `all three files of a container are removed with its last network`() throws {
    try Fixture.use { fixture in
      let config = #"{"resolvConf": null, "hostnameFile": null, "args": {"cni": {"hostname": "box"}}}"#
      for network in ["net", "other"] { try fixture.add(1, config, on: network) }
      let files = ["hosts", "resolv.conf", "hostname"].map { "\(fixture.directory)/files/c1/\($0)" }
      #expect(files.allSatisfy(FileManager.default.fileExists))
      #expect(try String(contentsOfFile: files[2], encoding: .utf8) == "box\n")
      #expect(fixture.names(of: "10.1.0.1", in: 1).first == "box c1")
      try fixture.delete(1, config, on: "net")
      #expect(files.allSatisfy(FileManager.default.fileExists))
      try fixture.delete(1, config, on: "other")
      #expect(!FileManager.default.fileExists(atPath: "\(fixture.directory)/files"))
    }
  }

  @Test func `a repeated ADD replaces the names of the first one`() throws {
    try Fixture.use { fixture in
      try fixture.add(2)
      try fixture.add(1, #"{"args": {"cni": {"name": "old"}}}"#)
      try fixture.add(1, #"{"args": {"cni": {"name": "new"}}}"#)
      #expect(fixture.names(of: "10.1.0.1", in: 2) == ["new", "new.net"])
      #expect(fixture.names(of: "10.1.0.2", in: 1) == ["c2", "c2.net"])
    }
  }

  @Test func `CHECK names what was changed after ADD`() throws {
    try Fixture.use { fixture in
      for number in 1...2 { try fixture.add(number) }
      let path = "\(fixture.directory)/files/c2/hosts"
      try String(contentsOfFile: path, encoding: .utf8).replacing("10.1.0.1\tc1.net\n", with: "")
        .write(toFile: path, atomically: false, encoding: .utf8)
      try DNSHosts().check(fixture.call(1))
      let error = #expect(throws: CNIError.self) { try DNSHosts().check(fixture.call(2)) }
      #expect(error?.code == .differences)
      #expect(error?.message.contains("\(path) lacks the line \"10.1.0.1 c1.net\"") == true)
      let other = #expect(throws: CNIError.self) { try DNSHosts().check(fixture.call(3)) }
      #expect(other?.message.contains("there is no record of the attachment") == true)
      let renamed = try fixture.call(1, #"{"args": {"cni": {"name": "web"}}}"#)
      let third = #expect(throws: CNIError.self) { try DNSHosts().check(renamed) }
      #expect(third?.message.contains("recorded names are c1, c1.net, want web, web.net") == true)
    }
  }

  @Test func `GC removes containers that are not valid`() throws {
    try Fixture.use { fixture in
      for number in 1...3 { try fixture.add(number) }
      let owner = try Fixture.owner(2)
      try DNSHosts().collectGarbage(
        fixture.network(), valid: [.init(containerID: owner.container, ifname: owner.interface)])
      #expect(fixture.files == ["state/.files/c2.json", "state/net/c2:eth0.json", "files/c2/hosts"])
      #expect(fixture.names(of: "10.1.0.1", in: 2) == [])
      #expect(fixture.names(of: "10.1.0.2", in: 2) == ["c2", "c2", "c2.net"])
    }
  }

  @Test func `STATUS reports a state directory that cannot be used`() throws {
    try Fixture.use { fixture in
      try DNSHosts().status(fixture.network())
      try Data().write(to: URL(filePath: "\(fixture.directory)/file"))
      let network = try fixture.network(#"{"stateDir": "\#(fixture.directory)/file/state"}"#)
      let error = #expect(throws: CNIError.self) { try DNSHosts().status(network) }
      #expect(error?.code == .notAvailable)
    }
  }
}
