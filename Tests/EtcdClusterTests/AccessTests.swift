import CNI
import Etcd
import EtcdClient
import EtcdSupport
import Foundation
import LabSupport
import Testing

// Group: end-to-end

@Suite(.needsRoot) struct `Access to etcd` {
  @Test func `etcd grants access by user and password and by the user's rights`() throws {
    try EtcdCluster.use(members: 1) { cluster in
      try addUser(to: cluster)
      var config = cluster.config
      config.username = "net"
      config.password = "p\"w"
      // User and password in the configuration are accepted while authentication is off.
      var early = EtcdClient(config)
      #expect(try early.read(.one("/net/a")).pairs == [])
      try cluster.control(["auth", "enable"])
      #expect(try early.read(.one("/net/a")).pairs == [])

      var store = EtcdClient(config)
      _ = try store.transact(EtcdTransaction([.put("/net/a", [1], lease: nil)]))
      #expect(try store.read(.prefixed("/net/")).pairs.map(\.value) == [[1]])
      var eventCount = 0
      try store.watch([.prefixed("/net/")], from: 1, seconds: 60) { events in
        eventCount += events.events.count
        return false
      }
      #expect(eventCount == 1)
      expectRefusal("read /other: etcdserver: permission denied") { _ = try store.read(.one("/other")) }
      expectRefusal("watch /other: ") { try store.watch([.one("/other")], from: 1, seconds: 60) { _ in true } }

      // Each change of users or roles invalidates all tokens.
      try cluster.control(["role", "grant-permission", "net", "read", "/other"], user: "root:secret")
      #expect(try store.read(.one("/other")).pairs == [])
    }
  }

  @Test func `the password may come from a file, and a wrong or missing one is refused`() throws {
    try EtcdCluster.use(members: 1) { cluster in
      try addUser(to: cluster)
      try cluster.control(["auth", "enable"])
      var config = cluster.config
      config.username = "net"
      config.password = "wrong"
      var unauthorized = EtcdClient(config)
      expectRefusal("log in as net: etcdserver: authentication failed") { _ = try unauthorized.read(.one("/net/a")) }
      var anonymous = EtcdClient(cluster.config)
      expectRefusal("read /net/a: etcdserver: user name is empty") { _ = try anonymous.read(.one("/net/a")) }
      config.password = nil
      config.passwordFile = "\(cluster.directory)/password"
      try "p\"w\n".write(toFile: "\(cluster.directory)/password", atomically: true, encoding: .utf8)
      var reader = EtcdClient(config)
      #expect(try reader.read(.one("/net/a")).pairs == [])
      try FileManager.default.removeItem(atPath: "\(cluster.directory)/password")
      var careless = EtcdClient(config)
      expectRefusal("\(cluster.directory)/password") { _ = try careless.read(.one("/net/a")) }
    }
  }

  @Test func `client and server check each other's certificates`() throws {
    try EtcdCluster.use(members: 1, isSecure: true) { cluster in
      var store = EtcdClient(cluster.config)
      _ = try store.transact(EtcdTransaction([.put("/a", [1], lease: nil)]))
      #expect(try store.read(.one("/a")).pairs.map(\.value) == [[1]])
      var eventCount = 0
      try store.watch([.one("/a")], from: 1, seconds: 60) { events in
        eventCount += events.events.count
        return false
      }
      #expect(eventCount == 1)

      var config = cluster.config
      config.caFile = nil
      var withoutCA = EtcdClient(config)
      expectRefusal("certificate") { _ = try withoutCA.read(.one("/a")) }
      config.caFile = "\(cluster.directory)/other.pem"
      var misled = EtcdClient(config)
      expectRefusal("certificate") { _ = try misled.read(.one("/a")) }
      config.caFile = "\(cluster.directory)/none.pem"
      var withoutFile = EtcdClient(config)
      expectRefusal("none.pem") { _ = try withoutFile.read(.one("/a")) }
      config = cluster.config
      config.certFile = "\(cluster.directory)/other.pem"
      config.keyFile = "\(cluster.directory)/other.key"
      var unauthorized = EtcdClient(config)
      expectRefusal("alert") { _ = try unauthorized.read(.one("/a")) }
      config.certFile = nil
      config.keyFile = nil
      var nameless = EtcdClient(config)
      expectRefusal("alert") { _ = try nameless.read(.one("/a")) }
      // Valid certificates for another name.
      config = cluster.config
      config.endpoints = ["https://[::ffff:\(cluster.memberAddresses[0].address)]:2379"]
      var astray = EtcdClient(config)
      expectRefusal("certificate") { _ = try astray.read(.one("/a")) }
    }
  }

  /// Adds a user `net` that may read and write below /net/.
  private func addUser(to cluster: EtcdCluster) throws {
    try cluster.control(["user", "add", "root:secret"])
    try cluster.control(["user", "grant-role", "root", "root"])
    try cluster.control(["user", "add", "net:p\"w"])
    try cluster.control(["role", "add", "net"])
    try cluster.control(["role", "grant-permission", "net", "readwrite", "/net/", "--prefix"])
    try cluster.control(["user", "grant-role", "net", "net"])
  }

  private func expectRefusal(
    _ fragment: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
  ) {
    let error = #expect(throws: CNIError.self, sourceLocation: sourceLocation) { try body() }
    #expect(error?.code == .etcdRefused, sourceLocation: sourceLocation)
    #expect(error?.message.contains(fragment) == true, "\(error?.message ?? "")", sourceLocation: sourceLocation)
  }
}
