import BaseSupport
import CNI
import Foundation
import IPAM
import Linux
import NetTypes
import PluginKit
import TestSupport
import Testing

// Group: end-to-end

@Suite struct PluginTests {
  static let subnet = #""subnet": "10.1.0.0/29""#

  @Test func `the result has the configured routes and DNS settings`() throws {
    try bench { bench in
      let resolv = "\(bench.directory)/resolv"
      try Data("# x\nnameserver 10.1.0.1\nnameserver 10.1.0.2\ndomain a.example\nsearch a b\noptions ndots:2\n;\n".utf8)
        .write(to: URL(filePath: resolv))
      let routes = #"[{"dst": "0.0.0.0/0", "mtu": 1400, "advmss": 1300, "priority": 5, "table": 7, "scope": 253}]"#
      let result = try bench.add("a", Self.subnet + #", "resolvConf": "\#(resolv)", "routes": \#(routes)"#)
      var route = Route(dst: .everything(.v4), priority: 5)
      (route.mtu, route.advmss, route.table, route.scope) = (1400, 1300, 7, 253)
      let dns = DNS(
        nameservers: ["10.1.0.1", "10.1.0.2"], domain: "a.example", search: ["a", "b"], options: ["ndots:2"])
      #expect(result.texts == ["10.1.0.2/29"])
      #expect(result.routes == [route])
      #expect(result.dns == dns)
    }
  }

  @Test func `a missing resolv.conf is named and no address is taken`() throws {
    try bench { bench in
      let error = refusal { _ = try bench.add("a", Self.subnet + #", "resolvConf": "/none""#) }
      #expect(error == CNIError(.leaseStore, "open /none: No such file or directory"))
      #expect(fileNames(bench.directory) == [])
    }
  }

  @Test(arguments: [
    (#""runtimeConfig": {"ips": ["10.1.0.6"]}, "args": {"cni": {"ips": ["10.1.0.5"]}},"#, "10.1.0.6/29"),
    (#""args": {"cni": {"ips": ["10.1.0.5/29"]}},"#, "10.1.0.5/29"),
    (
      #""args": {"org.apache.mesos": {"network_info": {"ip_addresses": [{"ip_address": "10.1.0.3"}]}}},"#, "10.1.0.3/29"
    ),
    (#""args": {"org.apache.mesos": {"network_info": {"ip_addresses": [{"protocol": "IPv4"}]}}},"#, "10.1.0.4/29"),
  ])
  func `the address source with the highest precedence is used`(more: String, address: String) throws {
    try bench { bench in
      let result = try bench.add("a", Self.subnet, more: more, arguments: "IP=10.1.0.4")
      #expect(result.texts == [address])
    }
  }

  @Test func `an ADD whose result cannot be written takes no address`() throws {
    try bench { bench in
      let failure = CNIError(.ioFailure, "write the result to standard output: Broken pipe")
      let call = try bench.call("a", Self.subnet)
      let error = refusal { try bench.plugin.add(call) { (_) throws(CNIError) in throw failure } }
      #expect(error == failure)
      #expect(leases("\(bench.directory)/net") == [])
    }
  }

  @Test func `an ADD without a namespace is refused`() throws {
    try bench { bench in
      var call = try bench.call("a", Self.subnet)
      call.namespacePath = ""
      let error = refusal { try bench.plugin.add(call) { _ in } }
      #expect(error == CNIError(.invalidEnvironment, "required env variables [CNI_NETNS] missing"))
    }
  }

  @Test func `CHECK names every difference`() throws {
    try bench { bench in
      let text = #""ranges": [[{"subnet": "10.1.0.0/29"}], [{"subnet": "fd00::/125"}]]"#
      var call = try bench.call("a", text)
      call.previous = try bench.add("a", text)
      try bench.plugin.check(call)
      try FileManager.default.removeItem(atPath: "\(bench.directory)/net/fd00::2")
      call.previous?.ips[0].address = "10.1.0.5/29"
      let error = refusal { try bench.plugin.check(call) }
      let message = [
        "leases of container a (eth0) in network net: 10.1.0.5 of ADD's result is not leased",
        "no address of range set fd00::1-fd00::7 is leased", "fd00::2 of ADD's result is not leased",
      ]
      #expect(error == CNIError(.differences, message.joined(separator: "; ")))
    }
  }

  @Test func `CHECK reports a lease that another container has now`() throws {
    try bench { bench in
      var call = try bench.call("a", Self.subnet)
      call.previous = try bench.add("a", Self.subnet)
      try Data("b\r\neth0".utf8).write(to: URL(filePath: "\(bench.directory)/net/10.1.0.2"))
      let error = refusal { try bench.plugin.check(call) }
      #expect(error?.code == .differences)
    }
  }

  @Test func `DEL releases only its own leases after any change of the configuration, and can be repeated`() throws {
    try bench { bench in
      _ = try bench.add("a", Self.subnet)
      _ = try bench.add("b", Self.subnet)
      let broken = #"{"ipam": {"DataDir": "\#(bench.directory)", "subnet": 5}}"#
      let document = try CNIJSON.decodeValue(Array(broken.utf8))
      let salvaged = try #require(HostLocal<FakeKernel, LeaseDirectory>.partialConfig(document))
      for _ in 1...2 {
        try bench.delete("a", config: salvaged)
        #expect(fileNames("\(bench.directory)/net") == ["10.1.0.3", "last_reserved_ip.0", "lock"])
      }
    }
  }

  @Test func `GC releases leases that are not valid or have no holder`() throws {
    try bench { bench in
      for container in ["a", "b", "c"] { _ = try bench.add(container, Self.subnet) }
      for (name, text) in [("10.1.0.5", ""), ("10.1.0.6", "b"), ("10.1.0.7", "z")] {
        try Data(text.utf8).write(to: URL(filePath: "\(bench.directory)/net/\(name)"))
      }
      let valid = ValidAttachments.Attachment(
        containerID: "b", ifname: "eth0")
      try bench.plugin.collectGarbage(bench.network(Self.subnet), valid: [valid])
      #expect(leases("\(bench.directory)/net") == ["10.1.0.3", "10.1.0.6"])
      try bench.plugin.collectGarbage(bench.network(Self.subnet), valid: [])
      #expect(leases("\(bench.directory)/net") == [])
    }
  }

  @Test func `STATUS succeeds until the last address is leased`() throws {
    try bench { bench in
      try bench.plugin.status(bench.network(Self.subnet))
      #expect(fileNames(bench.directory) == [])
      for container in ["a", "b", "c", "d"] { _ = try bench.add(container, Self.subnet) }
      try bench.plugin.status(bench.network(Self.subnet))
      _ = try bench.add("e", Self.subnet)
      let error = refusal { try bench.plugin.status(bench.network(Self.subnet)) }
      #expect(error == CNIError(.notAvailable, "network net: 0 of 5 addresses free in 10.1.0.1-10.1.0.6"))
    }
  }

  @Test func `leases of an earlier boot are reused if no other address is free`() throws {
    try bench { bench in
      for name in ["a", "b", "c", "d", "e"] { _ = try bench.add(name, Self.subnet) }
      #expect(refusal { _ = try bench.add("f", Self.subnet) }?.code == .poolExhausted)
      try Descriptor.open("\(bench.directory)/net/10.1.0.4").setAttribute(
        "user.swift-cni", Array("00000000-0000-0000-0000-000000000000".utf8))
      try bench.plugin.status(bench.network(Self.subnet))
      #expect(try bench.add("f", Self.subnet).texts == ["10.1.0.4/29"])
      #expect(refusal { try bench.plugin.status(bench.network(Self.subnet)) }?.code == .notAvailable)
    }
  }

  @Test func `a new container gets the address that its name had before`() throws {
    try bench { bench in
      let text = Self.subnet + #", "sticky": true"#
      let name = "IgnoreUnknown=1;K8S_POD_NAME="
      #expect(try bench.add("a", text, arguments: name + "db").texts == ["10.1.0.2/29"])
      try bench.delete("a", config: bench.call("a", text).config)
      #expect(try bench.add("b", text, arguments: name + "web/1\nx").texts == ["10.1.0.3/29"])
      #expect(try bench.add("c", text, arguments: name + "db").texts == ["10.1.0.2/29"])
      try bench.delete("b", config: bench.call("b", text).config)
      #expect(try bench.add("d", text).texts == ["10.1.0.3/29"])
      #expect(try bench.add("e", text, arguments: name + "web/1\nx").texts == ["10.1.0.4/29"])
    }
  }
}
