import CNI
import CNIJSON
import NameDisk
import Names
import NetTypes
import PluginKit
import Testing

@testable import dns_hosts

struct SettingsTests {
  @Test(arguments: [
    ("{}", "", "c1"), (#"{"args": {"cni": {"name": "a"}}}"#, "K8S_POD_NAME=k", "a"),
    (#"{"args": {"cni": {"labels": [{"key": "name", "value": "l"}]}}}"#, "K8S_POD_NAME=k", "l"),
    (
      #"{"args": {"org.apache.mesos": {"network_info": {"labels": {"labels": [{"key": "name", "value": "m"}]}}}}}"#, "",
      "m"
    ), ("{}", "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=k", "k"),
    ("{}", "IgnoreUnknown=true;NOMAD_JOB_ID=shop;NOMAD_GROUP_NAME=web", "shop-web"),
    ("{}", "IgnoreUnknown=true;NOMAD_JOB_ID=shop/dispatch-1;NOMAD_GROUP_NAME=web", "c1"),
  ])
  func `a container's name is the first that somebody tells`(json: String, arguments: String, name: String) throws {
    try Fixture.use { fixture in
      let settings = try DNSHostsSettings(fixture.call(1, json, arguments: arguments))
      #expect(settings.names.map(\.description) == [name, "\(name).net"])
    }
  }

  @Test(arguments: [
    (#"["a", "b"]"#, ["a", "b"]), (#"{"net": ["a"], "other": ["b"]}"#, ["a"]), (#"{"net": null}"#, []), ("[]", []),
  ])
  func `aliases are a list, or a list for each network`(json: String, aliases: [String]) throws {
    try Fixture.use { fixture in
      let settings = try DNSHostsSettings(fixture.call(1, #"{"runtimeConfig": {"aliases": \#(json)}}"#))
      #expect(settings.names.dropFirst(2).map(\.description) == aliases)
    }
  }

  @Test(arguments: [
    (#"{"args": {"cni": {"name": "a b"}}}"#, "container name \"a b\""),
    (#"{"args": {"cni": {"name": "a\nb"}}}"#, "container name \"a\nb\""),
    (#"{"args": {"cni": {"name": "a#b"}}}"#, "container name \"a#b\""),
    (#"{"runtimeConfig": {"aliases": ["ok", "-no"]}}"#, "runtimeConfig.aliases[1]"),
    (#"{"runtimeConfig": {"aliases": {"net": ["a,b"]}}}"#, "runtimeConfig.aliases.net[0]"),
    (#"{"runtimeConfig": {"aliases": "www"}}"#, "runtimeConfig.aliases"), (#"{"domain": "a..b"}"#, "domain"),
    (#"{"hosts": "no"}"#, "hosts"), (#"{"extraHosts": ["db"]}"#, "extraHosts[0]"),
    (#"{"args": {"cni": {"hosts": ["db:x"]}}}"#, "args.cni.hosts[0]"),
    (#"{"args": {"cni": {"hostname": "a b"}}}"#, "args.cni.hostname"), (#"{"stateDir": "run"}"#, "stateDir"),
    (#"{"hostsFile": "hosts"}"#, "hostsFile"), (#"{"hostsFile": "/tmp/{pid}/hosts"}"#, "hostsFile"),
    (#"{"delegate": {"type": "../bridge"}}"#, "delegate.type"),
  ])
  func `what cannot be is refused, named`(json: String, words: String) throws {
    try Fixture.use { fixture in
      let error = #expect(throws: CNIError.self) { try DNSHostsSettings(fixture.call(1, json)) }
      #expect(error?.code == .invalidNetworkConfig)
      #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }
  }

  @Test(arguments: [100, 101, 10_000])
  func `there may be a hundred aliases`(count: Int) throws {
    try Fixture.use { fixture in
      let names = (0..<count).map { #""a\#($0)""# }.joined(separator: ",")
      let call = try fixture.call(1, #"{"runtimeConfig": {"aliases": [\#(names)]}}"#)
      if count <= 100 {
        #expect(try DNSHostsSettings(call).names.count == count + 2)
      } else {
        let error = #expect(throws: CNIError.self) { try DNSHostsSettings(call) }
        #expect(error?.message == "aliases: \(count) of them: want 100 at most")
      }
    }
  }

  @Test func `the addresses of which nobody says where they are count as the container's`() throws {
    try Fixture.use { fixture in
      var result = try Fixture.previous(1)
      result.interfaces = []
      for index in result.ips.indices { result.ips[index].interface = nil }
      let member = try DNSHostsSettings(fixture.call(1)).member(result)
      #expect(member.addresses.map(\.description) == ["192.0.2.1", "10.1.0.1", "fd00::1"])
    }
  }

  @Test func `of a configuration that cannot be read, DEL takes what it can use`() throws {
    let json = try CNIJSON.decodeValue(
      Array(#"{"stateDir": "/run/x", "hosts": "no", "delegate": {"type": "bridge"}}"#.utf8))
    let config = DNSHosts.salvage(json)
    #expect(config?.stateDir == "/run/x")
    #expect(config?.inner?.type.description == "bridge")
    #expect(DNSHosts.salvage(.object([:]))?.stateDir == StateDirectory.defaultPath)
  }
}
