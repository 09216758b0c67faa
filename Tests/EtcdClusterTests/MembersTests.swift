import EtcdSupport
import LabSupport
import Testing

@Suite(.needsRoot) struct `The members of a test cluster` {
  @Test func `each cluster member runs in its own namespace over IPv4 or IPv6 and leaves nothing`() throws {
    try Lab.use(containers: 3) { lab in
      try lab.shell("ip link add fabric type bridge && ip link set fabric up", in: lab.host)
      for number in 1...3 {
        try lab.shell(
          """
          ip link add f\(number) type veth peer name eth0 netns \(lab.path(lab.container(number)))
          ip link set f\(number) master fabric up
          """, in: lab.host)
        try lab.shell(
          """
          ip link set eth0 up; ip link set lo up
          ip address add 10.9.0.\(number)/24 dev eth0; ip address add fd09::\(number)/64 dev eth0 nodad
          """, in: lab.container(number))
      }
      for addresses in [(1...3).map { "10.9.0.\($0)" }, (1...3).map { "fd09::\($0)" }] {
        let memberAddresses = addresses.enumerated().map { EtcdCluster.MemberAddress($1, in: lab.container($0 + 1)) }
        let directory = try EtcdCluster.use(at: memberAddresses) { cluster in
          try cluster.control(["put", "/a", "there"], at: 0)
          #expect(try cluster.control(["get", "/a", "--print-value-only"], at: 2) == "there\n")
          let leader = try #require(cluster.leader)
          cluster.stop(member: leader)
          try cluster.start(member: leader)
          #expect(try cluster.control(["get", "/a", "--print-value-only"], at: leader) == "there\n")
          return cluster.directory
        }
        #expect(try lab.run("/bin/ls", ["-d", directory]).isSuccess == false)
        let left = try lab.shell("ps -eo args | grep -- \(directory) | grep -v grep || true")
        #expect(left == "")
      }
    }
  }
}
