import CNI
import Etcd
import EtcdClient
import EtcdSupport
import LabSupport
import Testing

@Suite(.needsRoot) struct `A watch` {
  /// The events of a watch: `+KEY=VALUE`, `-KEY`, `compacted`.
  private func descriptions(of events: EtcdEvents) -> [String] {
    if events.isCompacted { return ["compacted"] }
    return events.events.map { event in
      switch event {
      case .put(let pair): "+\(pair.key)=\(String(decoding: pair.value, as: UTF8.self))"
      case .deleted(let key): "-\(key)"
      }
    }
  }

  @Test func `a watch reports past and new events of several ranges until the reader stops it`() throws {
    try EtcdCluster.use(members: 1) { cluster in
      var store = EtcdClient(cluster.config), other = EtcdClient(cluster.config)
      let start = try store.read(.one("/a")).revision + 1
      try cluster.control(["put", "/nets/1", "one"])
      try cluster.control(["put", "/unasked", "x"])
      let lease = try other.grantLease(seconds: 600)
      var all: [String] = [], revisions: [Int64] = []
      try store.watch([.prefixed("/nets/"), .one("/host")], from: start, seconds: 60) { events throws(CNIError) in
        all += descriptions(of: events)
        revisions.append(events.revision)
        switch all.count {
        case 1: _ = try other.transact(EtcdTransaction([.put("/host", Array("h".utf8), lease: lease)]))
        case 2: _ = try other.transact(EtcdTransaction([.put("/unasked", [], lease: nil), .delete(.one("/nets/1"))]))
        case 3: try other.revoke(lease)
        default: return false
        }
        return true
      }
      #expect(all == ["+/nets/1=one", "+/host=h", "-/nets/1", "-/host"])
      #expect(revisions == revisions.sorted())
      // A second watch from the last reported revision misses no event.
      var again: [String] = []
      try store.watch([.prefixed("/nets/"), .one("/host")], from: revisions[2] + 1, seconds: 60) { events in
        again += descriptions(of: events)
        return again.last != "-/host"
      }
      #expect(again.last == "-/host")
    }
  }

  @Test func `a watch reports that an etcd lease expired`() throws {
    try EtcdCluster.use(members: 1) { cluster in
      var store = EtcdClient(cluster.config)
      let lease = try store.grantLease(seconds: 1)
      let made = try store.transact(EtcdTransaction([.put("/a", [], lease: lease)]))
      var all: [String] = []
      try store.watch([.one("/a")], from: made.revision, seconds: 60) { events in
        all += descriptions(of: events)
        return all.count < 2
      }
      #expect(all == ["+/a=", "-/a"])
    }
  }

  @Test func `a watch ends after its time limit and passes on the reader's error`() throws {
    try EtcdCluster.use(members: 1) { cluster in
      var store = EtcdClient(cluster.config)
      try store.watch([.one("/a")], from: 1, seconds: 1) { _ in true }
      try cluster.control(["put", "/a", "1"])
      let thrown = CNIError(.ioFailure, "enough")
      #expect(throws: thrown) {
        try store.watch([.one("/a")], from: 1, seconds: 60) { _ throws(CNIError) in throw thrown }
      }
      // The connection can still be used.
      #expect(try store.read(.one("/a")).pairs.count == 1)
    }
  }

  @Test func `a watch reports that its revision was compacted`() throws {
    try EtcdCluster.use(members: 1) { cluster in
      var store = EtcdClient(cluster.config)
      for value in ["1", "2", "3"] { try cluster.control(["put", "/a", value]) }
      let revision = try store.read(.one("/a")).revision
      try cluster.control(["compact", "\(revision)"])
      var all: [String] = []
      try store.watch([.one("/a")], from: 1, seconds: 60) { events in
        all += descriptions(of: events)
        return true
      }
      #expect(all == ["compacted"])
    }
  }
}
