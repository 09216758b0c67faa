import CNI
import Etcd
import EtcdSupport
import Names
import NetTypes
import Testing

struct SharedNamesTests {
  @Test func `the second host gets the first host's names at once, the first host after a refresh`() throws {
    try Host.use(2) { hosts in
      var store = FakeEtcd()
      try hosts[0].join("web", "10.0.0.1", &store)
      try hosts[1].join("db", "10.0.1.1", &store)
      #expect(hosts[1].remote == ["10.0.0.1"])
      #expect(hosts[0].remote == [])
      #expect(try hosts[0].refresh(&store))
      #expect(hosts[0].remote == ["10.0.1.1"])
      #expect(try hosts[0].refresh(&store) == false)
      try hosts[1].leave("db", &store)
      #expect(try hosts[0].refresh(&store))
      #expect(hosts[0].remote == [])
      #expect(
        store.texts == ["/swift-cni/names/net/web:eth0": #"{"ips":["10.0.0.1"],"names":["web"],"node":"host0"}"#])
    }
  }

  @Test func `an ADD on a host with an etcd lease sends two requests`() throws {
    try Host.use(1) { hosts in
      var store = FakeEtcd()
      try hosts[0].join("c0", "10.0.0.9", &store)
      let before = store.requests.count
      try hosts[0].join("web", "10.0.0.1", &store)
      let requests = store.requests.dropFirst(before)
      #expect(requests.count == 2)
      guard case .keepAlive = requests.first, case .transact = requests.last else {
        Issue.record("requests: \(requests)")
        return
      }
    }
  }

  @Test func `all names of a host use one etcd lease, which each ADD renews`() throws {
    try Host.use(1) { hosts in
      var store = FakeEtcd()
      try hosts[0].join("a", "10.0.0.1", &store)
      store.pass(seconds: 90)
      try hosts[0].join("b", "10.0.0.2", &store)
      store.pass(seconds: 90)
      #expect(Set(store.pairs.map(\.lease)).count == 1)
      #expect(store.pairs.count == 2)
    }
  }

  @Test func `ADD and refresh register names again after their etcd lease has expired`() throws {
    try Host.use(1) { hosts in
      var store = FakeEtcd()
      try hosts[0].join("a", "10.0.0.1", &store)
      store.pass(seconds: 101)
      #expect(store.pairs.isEmpty)
      try hosts[0].join("b", "10.0.0.2", &store)
      #expect(store.pairs.count == 2)
      store.pass(seconds: 101)
      try hosts[0].refresh(&store)
      #expect(store.pairs.count == 2)
      #expect(Set(store.pairs.map(\.lease)).count == 1)
    }
  }

  @Test func `140 names are registered in several etcd transactions`() throws {
    try Host.use(1) { hosts in
      var store = FakeEtcd()
      for number in 1...140 { try hosts[0].join("c\(number)", "10.0.0.\(number)", &store) }
      store.pass(seconds: 101)
      try hosts[0].refresh(&store)
      #expect(store.pairs.count == 140)
    }
  }

  @Test func `the entry of a container that moved stays when the old host removes the container`() throws {
    try Host.use(2) { hosts in
      var store = FakeEtcd()
      try hosts[0].join("web", "10.0.0.1", &store)
      try hosts[1].join("web", "10.0.1.1", &store)
      try hosts[0].refresh(&store)
      #expect(store.texts.values.allSatisfy { $0.contains("host1") })
      #expect(hosts[0].remote == ["10.0.1.1"])
      try hosts[0].leave("web", &store)
      #expect(store.pairs.count == 1)
      try hosts[1].leave("web", &store)
      #expect(store.pairs.isEmpty)
    }
  }

  @Test func `an entry that is written again during its removal stays`() throws {
    try Host.use(1) { hosts in
      var store = FakeEtcd()
      try hosts[0].join("web", "10.0.0.1", &store)
      let key = "/swift-cni/names/net/web:eth0"
      let newer = #"{"ips":["10.0.0.2"],"names":["web"],"node":"host0"}"#
      store.next(.asUsual, .rival(EtcdTransaction([.put(key, Array(newer.utf8), lease: nil)])))
      try hosts[0].shared.withdraw(Host.owner("web"), from: &store)
      #expect(store.texts == [key: newer])
    }
  }

  @Test func `GC removes only invalid entries of this host`() throws {
    try Host.use(2) { hosts in
      var store = FakeEtcd()
      for name in ["a", "b"] { try hosts[0].join(name, "10.0.0.1", &store) }
      try hosts[1].join("far", "10.0.1.1", &store)
      try hosts[0].shared.withdrawAll(except: [Host.owner("a")], from: &store)
      #expect(store.pairs.map(\.key) == ["/swift-cni/names/net/a:eth0", "/swift-cni/names/net/far:eth0"])
    }
  }

  @Test func `invalid entries in etcd are skipped and reported`() throws {
    try Host.use(1) { hosts in
      var store = FakeEtcd()
      try store.put("/swift-cni/names/net/strange", "{}")
      try store.put("/swift-cni/names/net/odd:eth0", #"{"node": "far", "ips": ["10.0.0"]}"#)
      try store.put(
        "/swift-cni/names/net/good:eth0", #"{"node": "far", "ips": ["10.0.9.1"], "names": ["good"], "x": 1}"#)
      try hosts[0].join("web", "10.0.0.1", &store)
      #expect(hosts[0].remote == ["10.0.9.1"])
      var warnings: [String] = []
      try hosts[0].names.refresh(from: &store) { warnings.append($0) }
      #expect(warnings.count == 2)
      #expect(warnings.first?.contains("/swift-cni/names/net/odd:eth0: left out: ") == true)
    }
  }

  @Test func `without a quorum nothing is changed in etcd or on the host`() throws {
    try Host.use(2) { hosts in
      var store = FakeEtcd()
      try hosts[0].join("web", "10.0.0.1", &store)
      try hosts[1].join("db", "10.0.1.1", &store)
      for fates in 1...2 {
        let before = store.texts
        if fates == 1 { store.next(.noQuorum) } else { store.next(.asUsual, .noQuorum) }
        let error = #expect(throws: CNIError.self) { try hosts[0].refresh(&store) }
        #expect(error?.code == .tryAgainLater)
        #expect(hosts[0].remote == [])
        #expect(store.texts == before)
      }
    }
  }

  @Test func `a host without containers of the network sends no request to etcd`() throws {
    try Host.use(1) { hosts in
      var store = FakeEtcd()
      let isChanged = try hosts[0].refresh(&store)
      #expect(!isChanged)
      #expect(store.requests.isEmpty)
    }
  }

  @Test func `CHECK reports a missing or different entry in etcd`() throws {
    try Host.use(1) { hosts in
      var store = FakeEtcd()
      let member = try Host.member("web", "10.0.0.1")
      #expect(
        try hosts[0].shared.differences(from: member, in: &store) == ["etcd: /swift-cni/names/net/web:eth0 is missing"])
      try hosts[0].join("web", "10.0.0.1", &store)
      #expect(try hosts[0].shared.differences(from: member, in: &store) == [])
      try store.put("/swift-cni/names/net/web:eth0", "{}")
      #expect(
        try hosts[0].shared.differences(from: member, in: &store) == ["etcd: /swift-cni/names/net/web:eth0 is {}"])
    }
  }

  @Test(arguments: [
    (#"{"endpoints": []}"#, "endpoints"), (#"{"endpoints": ["ftp://a"]}"#, "etcd.endpoints"),
    (#"{"endpoints": ["http://a:1"], "prefix": "names"}"#, "etcd.prefix"),
    (#"{"endpoints": ["http://a:1"], "node": "a b"}"#, "etcd.node"),
    (#"{"endpoints": ["http://a:1"], "leaseTTL": 9}"#, "etcd.leaseTTL"),
    (#"{"endpoints": ["http://a:1"], "leaseTTL": "9"}"#, "etcd.leaseTTL"),
  ])
  func `an invalid etcd key is refused by name`(etcd: String, key: String) throws {
    let plugin = try CNIJSON.decodeValue(Array(#"{"type": "dns-hosts", "etcd": \#(etcd)}"#.utf8))
    let network = try #require(NetworkName("net"))
    let error = #expect(throws: CNIError.self) { _ = try RemoteNames(of: network, plugin: plugin) }
    #expect(error?.code == .invalidNetworkConfig)
    #expect(error?.message.contains(key) == true, "\(error?.message ?? "")")
  }

  @Test(arguments: [#"{"type": "dns-hosts"}"#, #"{"type": "bridge", "etcd": {"endpoints": ["http://a:1"]}}"#])
  func `a plugin without etcd or of another type shares no names`(json: String) throws {
    let plugin = try CNIJSON.decodeValue(Array(json.utf8))
    let network = try #require(NetworkName("net"))
    #expect(try RemoteNames(of: network, plugin: plugin) == nil)
  }
}
