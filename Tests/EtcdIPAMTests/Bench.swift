import BaseSupport
import CNI
import Etcd
import EtcdSupport
import IPAM
import NetTypes
import TestSupport
import Testing

/// Hosts that share the leases of a network in one cluster.
struct Bench {
  var etcd = FakeEtcd()
  var sets: [RangeSet]
  var blockSize: Int?
  var random = Xorshift(seed: 7)

  /// `text` has the members of `ipam` besides etcd's endpoints.
  init(_ text: String, blockSize: Int? = nil) throws {
    sets = try configured(text).rangeSets()
    self.blockSize = blockSize
  }

  func table(on node: String = "n1") throws -> LeaseTable<FakeEtcd> { LeaseTable(etcd, try keys(node)) }

  /// Runs ADD and returns the addresses that it gets.
  mutating func add(_ container: String, on node: String = "n1", wanted: [String] = []) throws -> [String] {
    var table = try table(on: node)
    let request = LeaseRequest(
      owner: try owner(container), sets: sets, requested: try wanted.map { try #require(IPAddress($0)) },
      blockSize: blockSize)
    return try table.allocate(request, using: &random).map(\.address.description)
  }

  /// The error of an ADD, which must fail.
  mutating func refusal(_ container: String, on node: String = "n1", wanted: [String] = []) throws -> CNIError? {
    do {
      let given = try add(container, on: node, wanted: wanted)
      Issue.record("\(container) got \(given)")
      return nil
    } catch let error as CNIError { return error }
  }

  func delete(_ container: String, on node: String = "n1") throws {
    var table = try table(on: node)
    try table.release(owner(container))
  }

  /// Every key below the network's prefix, with its value.
  var entries: [String: String] {
    Dictionary(uniqueKeysWithValues: etcd.texts.map { (String($0.key.dropFirst("/p/net/".count)), $0.value) })
  }

  /// The leased addresses, sorted.
  var leased: [String] { names("addresses/") }

  /// The rest of each key after `prefix`, sorted.
  func names(_ prefix: String) -> [String] {
    entries.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }.sorted()
  }
}

func keys(_ node: String) throws -> LeaseKeys {
  LeaseKeys(prefix: "/p", network: "net", node: try #require(NodeName(node)))
}

func owner(_ container: String) throws -> AttachmentID {
  AttachmentID(
    network: "net", container: try #require(ContainerID(container)),
    interface: "eth0")
}

/// An attachment as `cni.dev/valid-attachments` has it.
func attachment(_ container: String) throws -> ValidAttachments.Attachment {
  ValidAttachments.Attachment(containerID: try owner(container).container, ifname: "eth0")
}

/// A configuration with the members `text` in `ipam`.
func configured(_ text: String, more: String = "", endpoints: String = #"["http://e:2379"]"#) throws -> EtcdIPAMConfig {
  let json = #"""
    {"cniVersion": "1.1.0", "name": "net", "type": "bridge", \#(more)
     "ipam": {"type": "ipam-etcd", "endpoints": \#(endpoints), \#(text)}}
    """#
  return try CNIJSON.decode(EtcdIPAMConfig.self, from: Array(json.utf8))
}

/// The same fate `count` times.
func times(_ count: Int, _ fate: FakeEtcd.Fate) -> [FakeEtcd.Fate] { Array(repeating: fate, count: count) }

let dual = #""ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]]"#
