import CNI
import Etcd
import IPAM
import NetTypes
import Testing

@Suite struct ConfigTests {
  private static let control = #""controlPlane": {"type": "etcd", "endpoints": ["http://c:1"], "prefix": "/fl/"},"#

  @Test func `ipam has the etcd endpoints`() throws {
    let config = try configured(
      #""subnet": "10.1.0.0/24", "prefix": "/mine//", "node": "n1", "caFile": "/ca""#, more: Self.control,
      endpoints: #"["https://a:1/"]"#)
    #expect(config.etcd.endpoints == ["https://a:1"])
    #expect(config.etcd.caFile == "/ca")
    #expect(config.prefix == "/mine")
    #expect(try config.node { "other" }.description == "n1")
  }

  @Test(arguments: [
    (control, "", "/fl/ipam"), (control, #", "prefix": "/x""#, "/x"),
    (control.replacing(#", "prefix": "/fl/""#, with: ""), "", "/swift-cni/ipam"),
  ])
  func `endpoints also come from controlPlane, with another prefix than flannel's`(
    more: String, ipam: String, prefix: String
  )
    throws
  {
    let config = try configured(#""subnet": "10.1.0.0/24"\#(ipam)"#, more: more, endpoints: "null")
    #expect(config.etcd.endpoints == ["http://c:1"])
    #expect(config.prefix == prefix)
  }

  @Test func `a control plane other than etcd has no etcd endpoints`() throws {
    let control = #""controlPlane": {"type": "static", "endpoints": ["http://c:1"]},"#
    #expect(throws: (any Error).self) {
      try configured(#""subnet": "10.1.0.0/24""#, more: control, endpoints: "null")
    }
  }

  @Test(arguments: [
    (#""subnet": "10.1.0.0/24", "dataDir": "/x""#, 2, #"key "ipam.dataDir": /x: the leases are in etcd: want prefix"#),
    (#""subnet": "10.1.0.0/24", "sticky": true"#, 2, #"key "ipam.sticky": true: only ipam-host-local remembers names"#),
    (
      #""subnet": "auto""#, 2,
      #"key "ipam.subnet": auto: a subnet that this host does not use may be in use on another host"#
    ),
    (
      #""ranges": [[{"subnet": "auto-ipv6"}]]"#, 2,
      #"key "ipam.subnet": auto-ipv6: a subnet that this host does not use may be in use on another host"#
    ),
    (#""routes": []"#, 7, #"key "ipam": no IP ranges: want subnet or ranges"#),
    (#""subnet": "10.1.0.9/24""#, 7, "ipam.subnet 10.1.0.9/24: host bits are set: want 10.1.0.0/24"),
    (#""subnet": "10.1.0.0/24", "blockSize": 48"#, 7, #"key "ipam.blockSize": 48: want a power of two, 2 to 65536"#),
    (#""subnet": "10.1.0.0/24", "blockSize": 1"#, 7, #"key "ipam.blockSize": 1: want a power of two, 2 to 65536"#),
    (#""subnet": "10.1.0.0/24", "blockSize": "x""#, 7, #"key "ipam.blockSize": "x": want a whole number"#),
    (#""subnet": "10.1.0.0/24", "node": "a/b""#, 7, #"key "ipam.node": "a/b": want \#(NodeName.expectedForm)"#),
    (
      #""subnet": "10.1.0.0/24", "prefix": "//""#, 7,
      #"key "ipam.prefix": "//": want a prefix for keys, such as /swift-cni/ipam"#
    ),
  ])
  func `an invalid key is refused with the reason`(text: String, code: UInt32, message: String) throws {
    do {
      let config = try configured(text)
      _ = try config.rangeSets()
      _ = try config.checkedBlockSize()
      Issue.record("taken")
    } catch let error as CNIError {
      #expect(error.code.rawValue == code)
      #expect(error.message == message)
    }
  }

  @Test(arguments: ["localhost\n", "localhost.localdomain", "(none)", ""])
  func `a host name such as localhost is refused as node`(name: String) throws {
    let config = try configured(#""subnet": "10.1.0.0/24""#)
    #expect(throws: CNIError.self) { try config.node { () throws(CNIError) in name } }
  }

  @Test func `the default node is the kernel's host name`() throws {
    let config = try configured(#""subnet": "10.1.0.0/24""#)
    #expect(try config.node { "web-1.example\n" }.description == "web-1.example")
  }
}
