import CNI
import Etcd
import EtcdSupport
import IPAM
import NetTypes
import TestSupport
import Testing

/// Hosts that share a network's leases in one cluster.
struct Bench {
  var etcd = FakeEtcd()
  var sets: [RangeSet]
  var blockSize: Int?
  var random = Seeded(state: 7)

  /// `text` is what `ipam` holds besides where etcd is.
  init(_ text: String, blockSize: Int? = nil) throws {
    sets = try configured(text).rangeSets()
    self.blockSize = blockSize
  }

  func table(on node: String = "n1") throws -> LeaseTable<FakeEtcd> { LeaseTable(etcd, try keys(node)) }

  /// The addresses an ADD gets.
  mutating func add(_ container: String, on node: String = "n1", wanted: [String] = []) throws -> [String] {
    var table = try table(on: node)
    let request = LeaseRequest(
      owner: try owner(container), sets: sets, requested: try wanted.map { try #require(IPAddress($0)) },
      blockSize: blockSize)
    return try table.allocate(request, using: &random).map(\.address.description)
  }

  /// What an ADD that must fail says.
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

  /// Every key below the network's, with what it holds.
  var entries: [String: String] {
    Dictionary(uniqueKeysWithValues: etcd.texts.map { (String($0.key.dropFirst("/p/net/".count)), $0.value) })
  }

  /// The addresses that are leased, sorted.
  var leased: [String] { names("addresses/") }

  /// What follows `prefix` in keys, sorted.
  func names(_ prefix: String) -> [String] {
    entries.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }.sorted()
  }
}

func keys(_ node: String) throws -> LeaseKeys {
  LeaseKeys(prefix: "/p", network: try #require(NetworkName("net")), node: try #require(NodeName(node)))
}

func owner(_ container: String) throws -> AttachmentID {
  AttachmentID(
    network: try #require(NetworkName("net")), container: try #require(ContainerID(container)),
    interface: "eth0")
}

/// As `cni.dev/valid-attachments` names it.
func attachment(_ container: String) throws -> ValidAttachments.Attachment {
  ValidAttachments.Attachment(containerID: try owner(container).container, ifname: "eth0")
}

/// A configuration whose `ipam` holds `text`.
func configured(_ text: String, more: String = "", endpoints: String = #"["http://e:2379"]"#) throws -> EtcdIPAMConfig {
  let json = #"""
    {"cniVersion": "1.1.0", "name": "net", "type": "bridge", \#(more)
     "ipam": {"type": "ipam-etcd", "endpoints": \#(endpoints), \#(text)}}
    """#
  return try CNIJSON.decode(EtcdIPAMConfig.self, from: Array(json.utf8))
}

/// A generator that gives the same numbers for the same seed (xorshift).
struct Seeded: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state &* 0x2545_F491_4F6C_DD1D
  }
}

/// Several fates, the same as often as wanted.
func times(_ count: Int, _ fate: FakeEtcd.Fate) -> [FakeEtcd.Fate] { Array(repeating: fate, count: count) }

let dual = #""ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]]"#
