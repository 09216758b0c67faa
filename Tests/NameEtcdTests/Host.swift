import BaseSupport
import CNI
import Etcd
import EtcdSupport
import Foundation
import Names
import NetTypes
import Testing

/// One of several hosts that share the names of a network; it has its own state directory.
struct Host {
  let directory: String
  let node: String

  static func use(_ count: Int, _ body: ([Host]) throws -> Void) throws {
    try inTemporaryDirectory { directory in
      try body((0..<count).map { Host(directory: "\(directory)/\($0)", node: "host\($0)") })
    }
  }

  static let network = "net"

  /// The plugin's configuration in the network list.
  var plugin: JSONValue {
    get throws {
      try CNIJSON.decodeValue(
        Array(
          """
          {"type": "dns-hosts", "stateDir": "\(directory)/state",
           "etcd": {"endpoints": ["http://127.0.0.1:1"], "node": "\(node)", "leaseTTL": 100}}
          """.utf8))
    }
  }

  var state: StateDirectory { StateDirectory("\(directory)/state") }

  var names: RemoteNames {
    get throws {
      let network = try #require(NetworkName(Self.network))
      return try #require(try RemoteNames(of: network, plugin: plugin))
    }
  }

  var shared: SharedNames {
    get throws { try SharedNames(names.config, of: #require(NetworkName(Self.network))) }
  }

  static func owner(_ container: String) throws -> AttachmentID {
    AttachmentID(
      network: try #require(NetworkName(network)), container: try #require(ContainerID(container)),
      interface: try #require(InterfaceName("eth0")))
  }

  static func member(_ container: String, _ address: String) throws -> Member {
    Member(
      owner: try owner(container), addresses: [try #require(IPAddress(address))],
      names: [try #require(HostName(container))])
  }

  /// Refreshes the names of other hosts, as `cnictl` does.
  ///
  /// - Returns: whether any file was changed.
  @discardableResult
  func refresh(_ store: inout FakeEtcd) throws -> Bool { try names.refresh(from: &store) { _ in } }

  /// The addresses of other hosts' containers that this host has recorded.
  var remote: [String] {
    let bytes = FileManager.default.contents(atPath: "\(directory)/state/\(Self.network)/.remote.json") ?? Data()
    let members = (try? CNIJSON.decodeValue(Array(bytes)))?["members"]?.array ?? []
    return members.compactMap { $0["ips"]?.array?.first?.string }
  }

  /// Joins a container and exchanges names, as ADD does.
  func join(_ container: String, _ address: String, _ store: inout FakeEtcd) throws {
    let member = try Self.member(container, address)
    let lease = try shared.lease(&store, recordedIn: state)
    guard let names = try NetworkNames.lock(member.owner.network, in: state, createIfMissing: true) else {
      throw NoNames()
    }
    try names.join(member, nil)
    try names.writeRemoteNames(shared.exchange(&store, joining: member, local: names.members(), on: lease))
  }

  /// Removes a container and withdraws its names, as DEL does.
  func leave(_ container: String, _ store: inout FakeEtcd) throws {
    let owner = try Self.owner(container)
    do {
      guard let names = try NetworkNames.lock(owner.network, in: state, createIfMissing: false) else { throw NoNames() }
      #expect(names.leave(owner) == [])
    }
    try shared.withdraw(owner, from: &store)
  }
}

struct NoNames: Error {}
