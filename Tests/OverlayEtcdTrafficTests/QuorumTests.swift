import CNI
import EtcdSupport
import LabSupport
import Testing

@Suite(.needsRoot, .serialized)
struct `Failure of etcd members` {
  @Test(arguments: ["l3", "l2"])
  func `ADD works with one member down; without a quorum ADD changes nothing and DEL removes the link`(mode: String)
    throws
  {
    try Site.use(containers: 3) { site in
      let network = EtcdNetwork(site: site, mode: mode)
      let lab = site.cluster.hosts[0]
      let first = try network.attach(1, on: 0)
      let second = try network.attach(1, on: 1)
      site.etcd.stop(member: 2)
      let third = try network.attach(2, on: 0)
      site.etcd.stop(member: 1)
      let before = try Snapshot(of: lab)
      #expect(try network.add(3, on: 0).code == 11)
      try lab.expectUnchanged(since: before)
      // In l3 the existing subnet lease is sufficient; in l2 ADD also needs to register addresses in etcd.
      #expect(try network.ask("STATUS", on: 0).code == (mode == "l3" ? nil : 50))
      #expect(try network.ask("STATUS", on: 2).code == 50)
      let removed = try third.delete()
      #expect(removed.code == (mode == "l3" ? nil : 11))
      #expect(try lab.link("eth0", in: third.namespace) == nil)
      try site.expect([second].towards([first], patience: 45), answered: true)
      try site.etcd.start(member: 1)
      #expect(try third.delete().complaint == "")
      let again = try network.attach(3, on: 0)
      try site.expect([second].towards([again], patience: 45), answered: true)
    }
  }

  @Test(arguments: ["l3", "l2"], [true, false])
  func `hosts that follow etcd register all entries again if it comes back empty or from a backup`(
    mode: String, isEmpty: Bool
  ) throws {
    try Site.use(containers: 1) { site in
      let network = EtcdNetwork(site: site, mode: mode)
      let first = try network.attach(1, on: 0)
      let backup = try site.etcd.backup()
      let second = try network.attach(1, on: 1)
      let keys = try site.keys(network.prefix)
      try network.watching(on: 0) {
        try network.watching(on: 1) {
          try site.expect([first].towards([second], patience: 45), answered: true)
          if isEmpty { try site.etcd.empty() } else { try site.etcd.restore(backup) }
          try eventually("all keys are in etcd again") { try site.keys(network.prefix) == keys }
          try site.expect([first].towards([second], patience: 45), answered: true)
          let vtep = site.cluster.underlay(1)
          try eventually("the first host knows the second") {
            try first.lab.shell("bridge fdb show dev \(network.vxlan)", in: first.lab.host).contains(vtep)
          }
        }
      }
    }
  }
}
