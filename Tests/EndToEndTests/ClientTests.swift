import CNI
import Foundation
import LabSupport
import Testing

/// Configurations and variables as real runtimes send them, without masquerading.
@Suite(.needsRoot)
struct ClientTests {
  private func call(_ command: String, _ config: String, _ variables: [String: String], in lab: Lab) -> PluginCall {
    var call = PluginCall(
      command: command, config: config.replacingOccurrences(of: "DIR", with: lab.directory), variables: variables)
    call.variables["CNI_IFNAME"] = "eth0"
    call.variables["CNI_NETNS"] = variables["CNI_NETNS"] ?? lab.path(lab.container(1))
    return call
  }

  @Test func `Mesos gets a result with ip4, and its DEL needs no namespace`() throws {
    try Lab.use { lab in
      let config = #"""
        {"args":{"org.apache.mesos":{"network_info":{"ip_addresses":[{"protocol":"IPv4"}],"labels":{},"name":\#
        "mesos-bridge","port_mappings":[{"container_port":80,"host_port":31000,"protocol":"tcp"}]}}},\#
        "bridge":"ucr-br0","forceAddress":false,"hairpinMode":true,"ipam":{"dataDir":"DIR/networks",\#
        "routes":[{"dst":"0.0.0.0/0"}],"subnet":"172.31.254.0/24","type":"host-local"},"isDefaultGateway":true,\#
        "name":"mesos-bridge","type":"bridge"}
        """#
      let id = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6.child"
      let result = try lab.run(call("ADD", config, ["CNI_CONTAINERID": id], in: lab)).result()
      #expect(
        try result
          == JSONValue(
            json: #"""
              {"cniVersion": "0.1.0", "dns": {},
               "ip4": {"ip": "172.31.254.2/24", "gateway": "172.31.254.1", "routes": [{"dst": "0.0.0.0/0"}]}}
              """#))
      #expect(try lab.route("default", in: lab.container(1))?.text("gateway") == "172.31.254.1")
      for _ in 1...2 {
        #expect(try lab.run(call("DEL", config, ["CNI_CONTAINERID": id, "CNI_NETNS": ""], in: lab)).isSuccess)
      }
      #expect(try lab.linkNames(in: lab.host) == ["ucr-br0"])
      #expect(try lab.leases(of: "mesos-bridge") == [])
    }
  }

  @Test func `podman gets the IP addresses and the MAC address that it requests`() throws {
    try Lab.use { lab in
      let config = #"""
        {"bridge":"cni-podman1","capabilities":{"ips":true},"cniVersion":"0.4.0","hairpinMode":true,"ipam":{\#
        "dataDir":"DIR/networks","ranges":[[{"gateway":"10.93.0.1","subnet":"10.93.0.0/24"}],\#
        [{"gateway":"fd00:93::1","subnet":"fd00:93::/64"}]],"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}],\#
        "type":"host-local"},"isGateway":true,"name":"podman1","runtimeConfig":{"ips":["10.93.0.200",\#
        "fd00:93::77"]},"type":"bridge"}
        """#
      let id = String(repeating: "0123456789abcdef", count: 4)
      let args = "IgnoreUnknown=1;K8S_POD_NAME=web;MAC=02:11:22:33:44:55"
      let result = try lab.run(call("ADD", config, ["CNI_CONTAINERID": id, "CNI_ARGS": args], in: lab)).result()
      #expect(result.list("ips").map { $0.text("address") } == ["10.93.0.200/24", "fd00:93::77/64"])
      #expect(result.list("ips").map { $0.text("version") } == ["4", "6"])
      #expect(result.list("ips").allSatisfy { $0.text("interface") == "2" })
      #expect(result.text("interfaces.2.mac") == "02:11:22:33:44:55")
      #expect(try lab.pings("fd00:93::1", from: lab.container(1)))
      #expect(try lab.run(call("DEL", config, ["CNI_CONTAINERID": id], in: lab)).isSuccess)
      #expect(try lab.leases(of: "podman1") == [])
    }
  }

  @Test func `a containerd pod is attached, and DEL can be repeated without result and namespace`() throws {
    try Lab.use { lab in
      let config = #"""
        {"bridge":"hclctr0","cniVersion":"1.0.0","ipam":{"dataDir":"DIR/networks","ranges":[[{"subnet":\#
        "10.71.0.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}],"type":"host-local"},"isGateway":true,"name":"hcl",\#
        "promiscMode":true,"runtimeConfig":{"dns":{"Servers":["192.0.2.53"],"Searches":["example.org"],\#
        "Options":null},"portMappings":[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":""}]},\#
        "type":"bridge"}
        """#
      let id = String(repeating: "fedcba9876543210", count: 4)
      let args = """
        IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=\(id);\
        K8S_POD_UID=1b4e28ba-2fa1-11d2-883f-0016d3cca427
        """
      let variables = ["CNI_CONTAINERID": id, "CNI_ARGS": args]
      let result = try lab.run(call("ADD", config, variables, in: lab)).result()
      #expect(result.text("ips.0.address") == "10.71.0.2/24")
      #expect(result.text("dns.nameservers.0") == "192.0.2.53")
      #expect(result.text("dns.search.0") == "example.org")
      let cached = try JSONValue(json: config.replacingOccurrences(of: "DIR", with: lab.directory))
        .with("prevResult", result).line
      #expect(try lab.run(call("DEL", cached, variables, in: lab)).isSuccess)
      for _ in 1...2 {
        let repeated = variables.merging(["CNI_NETNS": ""]) { $1 }
        #expect(try lab.run(call("DEL", config, repeated, in: lab)).isSuccess)
      }
      #expect(try lab.linkNames(in: lab.host) == ["hclctr0"])
      #expect(try lab.leases(of: "hcl") == [])
    }
  }

  @Test func `VERSION ignores podman's dummy variables`() throws {
    try Lab.use(containers: 0) { lab in
      let call = PluginCall(
        command: "VERSION", config: #"{"cniVersion":"1.0.0"}"#,
        variables: ["CNI_NETNS": "dummy", "CNI_IFNAME": "dummy", "CNI_PATH": "dummy"])
      let answer = try lab.run(call).result()
      #expect(answer.text("cniVersion") == "1.0.0")
    }
  }
}
