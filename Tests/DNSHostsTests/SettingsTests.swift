import CNI
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
  func `the container's name comes from the first source that has one`(json: String, arguments: String, name: String)
    throws
  {
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
    (#"{"runtimeConfig": {"aliases": ["LocalHost"]}}"#, "runtimeConfig.aliases[0]"),
    (#"{"runtimeConfig": {"aliases": {"net": ["ok", "ip6-loopback"]}}}"#, "runtimeConfig.aliases.net[1]"),
    (#"{"args": {"cni": {"aliases": ["localhost.localdomain"]}}}"#, "args.cni.aliases[0]"),
    (
      #"{"args": {"cni": {"links": [{"container": "c2", "alias": "localhost", "ports": ["80/tcp"]}]}}}"#,
      "args.cni.links[0].alias"
    ), (#"{"args": {"cni": {"name": "localhost"}}}"#, "container name \"localhost\""),
    (#"{"domain": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#, "domain"),
    (#"{"runtimeConfig": {"aliases": "www"}}"#, "runtimeConfig.aliases"), (#"{"domain": "a..b"}"#, "domain"),
    (#"{"hosts": "no"}"#, "hosts"), (#"{"extraHosts": ["db"]}"#, "extraHosts[0]"),
    (#"{"args": {"cni": {"hosts": ["db:x"]}}}"#, "args.cni.hosts[0]"),
    (#"{"args": {"cni": {"hostname": "a b"}}}"#, "args.cni.hostname"), (#"{"stateDir": "run"}"#, "stateDir"),
    (#"{"hostsFile": "hosts"}"#, "hostsFile"), (#"{"hostsFile": "/tmp/{pid}/hosts"}"#, "hostsFile"),
    (#"{"delegate": {"type": "../bridge"}}"#, "delegate.type"),
  ])
  func `an invalid configuration is refused and the key is named`(json: String, fragment: String) throws {
    try Fixture.use { fixture in
      let error = #expect(throws: CNIError.self) { try DNSHostsSettings(fixture.call(1, json)) }
      #expect(error?.code == .invalidNetworkConfig)
      #expect(error?.message.contains(fragment) == true, "\(error?.message ?? "")")
    }
  }

  @Test func `a link's alias is only in its container's hosts file, and only while the target is attached`() throws {
    try Fixture.use { fixture in
      let links = """
        {"args": {"cni": {"links": [{"container": "db", "alias": "database", "ports": ["5432/tcp"]},
          {"container": "c4", "alias": "cache", "ports": ["6379/tcp"]}, {"container": "db", "ports": ["80/tcp"]}]}}}
        """
      let db = #"{"args": {"cni": {"name": "db"}}}"#
      try fixture.add(1)
      try fixture.add(2, links)
      try fixture.add(3, db)
      try fixture.add(4)
      #expect(fixture.names(of: "10.1.0.3", in: 2) == ["db", "db.net", "database"])
      #expect(fixture.names(of: "fd00::4", in: 2) == ["c4", "c4.net", "cache"])
      for number in [1, 3] { #expect(fixture.names(of: "10.1.0.3", in: number).contains("database") == false) }
      for (number, json) in [(1, "{}"), (2, links), (3, db)] { try DNSHosts().check(fixture.call(number, json)) }
      #expect(throws: CNIError.self) { try DNSHosts().check(fixture.call(2)) }
      try fixture.delete(3, db)
      #expect(fixture.names(of: "10.1.0.3", in: 2) == [])
      try fixture.add(5, db)
      #expect(fixture.names(of: "10.1.0.5", in: 2) == ["db", "db.net", "database"])
      try fixture.delete(2, links)
      try fixture.add(2, links)
      #expect(fixture.names(of: "10.1.0.5", in: 2) == ["db", "db.net", "database"])
      for number in [1, 2, 4, 5] { try fixture.delete(number) }
      #expect(fixture.files.isEmpty)
    }
  }

  @Test(arguments: [
    #"{"args": {"cni": {"name": "NAME"}}}"#, #"{"args": {"cni": {"labels": [{"key": "name", "value": "NAME"}]}}}"#,
  ])
  func `a container name that is too long for a hosts file is left out, with a warning`(json: String) throws {
    try Fixture.use { fixture in
      let name = String(repeating: "a", count: 1024)
      let settings = try DNSHostsSettings(fixture.call(1, json.replacing("NAME", with: name)))
      #expect(settings.notes == ["container name of 1024 bytes left out: want at most 1023 bytes"])
      #expect(settings.names.map(\.description) == ["c1", "c1.net"])
    }
  }

  @Test func `a link's alias that is too long for a hosts file is left out, with a warning`() throws {
    try Fixture.use { fixture in
      let alias = String(repeating: "a", count: 1024)
      let links = #"[{"container": "db", "alias": "\#(alias)", "ports": ["80/tcp"]}]"#
      let settings = try DNSHostsSettings(fixture.call(1, #"{"args": {"cni": {"links": \#(links)}}}"#))
      #expect(settings.notes == ["links: aliases of 1 left out: want at most 1023 bytes"])
    }
  }

  @Test(arguments: [64, 300, 1023, 5000])
  func `an alias that is too long for DNS is written with a warning`(length: Int) throws {
    try Fixture.use { fixture in
      let alias = String(repeating: "a", count: length)
      let json = #"{"runtimeConfig": {"aliases": ["\#(alias)", "www"]}}"#
      let settings = try DNSHostsSettings(fixture.call(1, json))
      #expect(settings.notes.count == 1)
      try fixture.add(1, json)
      #expect(
        fixture.names(of: "10.1.0.1", in: 1) == ["c1", "c1", "c1.net"] + (length < 1024 ? [alias] : []) + ["www"])
    }
  }

  @Test(arguments: [100, 101, 10_000])
  func `up to a hundred aliases are accepted`(count: Int) throws {
    try Fixture.use { fixture in
      let names = (0..<count).map { #""a\#($0)""# }.joined(separator: ",")
      let call = try fixture.call(1, #"{"runtimeConfig": {"aliases": [\#(names)]}}"#)
      if count <= 100 {
        #expect(try DNSHostsSettings(call).names.count == count + 2)
      } else {
        let error = #expect(throws: CNIError.self) { try DNSHostsSettings(call) }
        #expect(error?.message == "\(count) aliases: want at most 100")
      }
    }
  }

  @Test func `addresses without an interface count as the container's`() throws {
    try Fixture.use { fixture in
      var result = try Fixture.previous(1)
      result.interfaces = []
      for index in result.ips.indices { result.ips[index].interface = nil }
      let member = try DNSHostsSettings(fixture.call(1)).member(result)
      #expect(member.addresses.map(\.description) == ["192.0.2.1", "10.1.0.1", "fd00::1"])
    }
  }

  @Test func `DEL uses the valid keys of an invalid configuration`() throws {
    let json = try CNIJSON.decodeValue(
      Array(#"{"stateDir": "/run/x", "hosts": "no", "delegate": {"type": "bridge"}}"#.utf8))
    let config = DNSHosts.partialConfig(json)
    #expect(config?.stateDir == "/run/x")
    #expect(config?.nestedPlugin?.type.description == "bridge")
    #expect(DNSHosts.partialConfig(.object([:]))?.stateDir == StatePaths.dnsHosts)
  }
}
