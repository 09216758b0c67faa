import CNI
import LabSupport
import Testing

/// A Marathon app on two agents, started by the agent's `network/cni` isolator.
///
/// `{"id": "my-networking", "cmd": "env; ip -o addr; sleep 30", "instances": 6, "networks": [{"mode": "container", "name":
/// "dcos-1"}], "container": {"type": "MESOS", "docker": {"image": "busybox"}, "portMappings": [{"containerPort": 80,
/// "servicePort": 80, "name": "foo"}]}}`: a mapping without a host port does not reach a plugin.
@Suite(.needsRoot) struct MesosTests {
  /// The agent's input: compact, with sorted keys and without a version.
  private static func input(_ cluster: Cluster, agent: Int) -> String {
    let peers = (0...1).map { #"{"subnet":"9.0.\#($0 + 1).0/24","vtep":"\#(cluster.underlay($0))"}"# }
    return #"""
      {"args":{"org.apache.mesos":{"network_info":{"ip_addresses":[{"protocol":"IPv4"}],"labels":{},"name":"dcos-1"}}},"controlPlane":{"peers":[\#(peers.joined(separator: ","))],"type":"static"},"ipMasq":true,"ipam":{"dataDir":"/var/run/dcos/cni/networks","routes":[{"dst":"0.0.0.0/0"}],"subnet":"9.0.\#(agent + 1).0/24","type":"host-local"},"name":"dcos-1","network":"9.0.0.0/8","type":"overlay-vxlan","vni":1024}
      """#
  }

  /// A call with exactly the agent's six variables.
  private static func call(_ command: String, _ cluster: Cluster, agent: Int, task: Int) -> PluginCall {
    let lab = cluster.hosts[agent]
    return PluginCall(
      plugin: "overlay-vxlan", command: command, config: input(cluster, agent: agent),
      variables: [
        "CNI_CONTAINERID": "6f6b5d1c-41e2-4c5e-9f5e-a2f0c1c4d00\(task).executor", "CNI_IFNAME": "eth0",
        "CNI_NETNS": lab.path(lab.container(task)), "CNI_PATH": "\(Binaries.ours):/opt/mesosphere/active/cni",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
      ])
  }

  @Test func `six containers on two Mesos agents serve the same port and reach each other`() throws {
    try Cluster.use(hosts: 2, containers: 3, state: ["/run/dcos"]) { cluster in
      var tasks: [(namespace: String, address: String)] = []
      for agent in 0...1 {
        let lab = cluster.hosts[agent]
        for task in 1...3 {
          let call = Self.call("ADD", cluster, agent: agent, task: task)
          #expect(lab.environment(call).count == 6)
          let result = try lab.run(call).result()
          // The agent reads only `ip4` and `ip6`; a result with `ips` would leave the task without an address.
          #expect(result.text("cniVersion") == "0.1.0" && result.at("ips") == nil && result.at("interfaces") == nil)
          let address = try #require(result.text("ip4.ip"))
          #expect(address == "9.0.\(agent + 1).\(task + 1)/24")
          #expect(result.text("ip4.gateway") == "9.0.\(agent + 1).1")
          #expect(result.list("ip4.routes").contains { $0.text("dst") == "0.0.0.0/0" })
          tasks.append((lab.container(task), String(address.prefix { $0 != "/" })))
        }
      }
      let pairs = tasks.flatMap { from in tasks.map { (from, $0) } }
      let answers = try cluster.answers(
        to: pairs.map { Probe(from: $0.0.namespace, to: $0.1.address, .tcp, 80, patience: 45) },
        servers: tasks.map { Server($0.address, in: $0.namespace, .tcp, 80) })
      #expect(answers == pairs.map { .by($0.1.address, seeing: $0.0.address, keptPort: true) })
      try removeTasks(cluster)
    }
  }

  /// Runs DEL twice with the agent's checkpointed configuration; without `CNI_NETNS`, as after a reboot of the agent.
  private func removeTasks(_ cluster: Cluster) throws {
    for agent in 0...1 {
      let lab = cluster.hosts[agent]
      for task in [1, 2, 3, 3] {
        var call = Self.call("DEL", cluster, agent: agent, task: task)
        if task == 2 { call.variables["CNI_NETNS"] = nil }
        let outcome = try lab.run(call)
        #expect(outcome.isSuccess && outcome.output == "", "\(outcome)")
      }
      #expect(try lab.linkNames(in: lab.host) == ["eth0", "ov-dcos-1", "vx-dcos-1"])
      #expect(try lab.shell("find /run/dcos -name '9.*'", in: lab.host) == "")
    }
  }
}
