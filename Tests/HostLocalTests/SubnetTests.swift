import BaseSupport
import CNI
import Foundation
import IPAM
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing

@Suite struct SubnetTests {
  @Test func `auto takes the first unused subnet and keeps it`() throws {
    try bench { bench in
      try bench.route("172.17.0.0/16")
      try bench.route("172.18.5.0/24")
      try bench.route("0.0.0.0/0")
      let other = "172.19.3.9"
      let old = "\(bench.directory)/old"
      try FileManager.default.createDirectory(atPath: old, withIntermediateDirectories: false)
      try Data("x\r\neth0".utf8).write(to: URL(filePath: "\(old)/\(other)"))
      #expect(try bench.add("a", #""subnet": "auto""#).texts == ["172.20.0.2/16"])
      try bench.route("172.20.0.0/16")
      #expect(try bench.add("b", #""subnet": "auto""#).texts == ["172.20.0.3/16"])
      #expect(try bench.add("b", #""subnet": "auto""#, network: "net2").texts == ["172.21.0.2/16"])
      let both = #""ranges": [[{"subnet": "auto"}], [{"subnet": "auto-ipv6"}]]"#
      let texts = try bench.add("c", both).texts
      #expect(texts[0] == "172.20.0.4/16")
      #expect(texts[1].hasPrefix("fd") && texts[1].hasSuffix("::2/64"))
      #expect(try bench.add("d", both).texts[1] == texts[1].replacing("::2/", with: "::3/"))
    }
  }

  @Test func `STATUS chooses a subnet without recording it`() throws {
    try bench { bench in
      try bench.plugin.status(bench.network(#""subnet": "auto""#))
      #expect(fileNames(bench.directory) == [])
    }
  }

  @Test func `after 172.31 auto takes 192.168 in parts of /20 and 10 in parts of /16, then fails`() throws {
    try bench { bench in
      try bench.route("172.16.0.0/12")
      #expect(try bench.add("a", #""subnet": "auto""#, network: "n1").texts == ["192.168.0.2/20"])
      try bench.route("192.168.0.0/16")
      #expect(try bench.add("a", #""subnet": "auto""#, network: "n2").texts == ["10.0.0.2/16"])
      try bench.route("10.0.0.0/8")
      let error = refusal { _ = try bench.add("a", #""subnet": "auto""#, network: "n3") }
      #expect(error == CNIError(.poolExhausted, "ipam.subnet auto: no unused subnet is left"))
    }
  }

  @Test func `networks that start at the same time get different subnets`() throws {
    try inDataDirectory { directory in
      let started = try (0..<8).map { number in
        let text = config(directory, #""subnet": "auto""#).replacing(#""net""#, with: #""n\#(number)""#)
        return try PluginRun.ours.start("ADD", "a", text)
      }
      let answers = try started.map { try PluginRun.ours.finish($0) }
      #expect(answers.filter { $0.status != 0 } == [])
      #expect(Set(answers.flatMap(\.addresses)).count == 8)
    }
  }

  @Test func `without a subnet the bridge's addresses give the ranges`() throws {
    try bench { bench in
      let bridge: InterfaceName = "br9"
      let more = #""type": "bridge", "bridge": "br9","#
      let missing = refusal { _ = try bench.add("a", #""x": 1"#, more: more) }
      #expect(missing?.code == .invalidNetworkConfig)
      bench.kernel.addLink(bridge, on: .host, kind: "bridge")
      for text in ["192.168.5.1/24", "fd00:5::1/64"] {
        bench.kernel.state.addresses.append(AddressSpec(try #require(IPPrefix(text)), on: bridge, .host))
      }
      let result = try bench.add("a", #""x": 1"#, more: more)
      #expect(result.texts == ["192.168.5.2/24", "fd00:5::2/64"])
      #expect(result.ips.map(\.gateway?.description) == ["192.168.5.1", "fd00:5::1"])
    }
  }
}
