import CNI
import CNIRuntime
import Foundation
import Testing

@Suite struct ConfigDirectoryTests {
  @Test func `files are read in order, and a file without a network is reported`() throws {
    try FakePlugins.with([]) { host in
      try host.write("20-b.conf", #"{"name":"second","type":"none"}"#)
      try host.write("10-a.conflist", #"{"name":"first","plugins":[{"type":"bridge"}]}"#)
      try host.write("15-x.json", "{")
      try host.write("30-c.json", #"{"name":"first","type":"host"}"#)
      try host.write("readme.txt", "not a network")
      let contents = try ConfigDirectory(host.directory).load()
      #expect(contents.entries.map(\.list.name.description) == ["first", "second"])
      #expect(contents.faults.map { $0.file.replacing(host.directory, with: "") } == ["/15-x.json", "/30-c.json"])
      #expect(contents.faults[0].reason.contains("not valid JSON"))
      #expect(contents.faults[1].reason == "network first is already defined by \(host.directory)/10-a.conflist")
    }
  }

  @Test func `a missing directory has no networks`() throws {
    let contents = try ConfigDirectory("/nonexistent/net.d").load()
    #expect(contents.entries.isEmpty && contents.faults.isEmpty)
  }

  @Test func `plugins in the list's directory are added unless the list forbids it`() throws {
    try FakePlugins.with([]) { host in
      try FileManager.default.createDirectory(atPath: "\(host.directory)/blue", withIntermediateDirectories: true)
      try host.write("blue/20.conf", #"{"type":"tuning"}"#)
      try host.write("blue/10.conf", #"{"type":"portmap"}"#)
      try host.write("blue.conflist", #"{"name":"blue","plugins":[{"type":"bridge"}]}"#)
      let joined = try #require(try ConfigDirectory(host.directory).load().entries.first).list
      #expect(joined.plugins.map(\.type.description) == ["bridge", "portmap", "tuning"])
      #expect(try NetworkList(joined.bytes).plugins == joined.plugins)
      try host.write("blue.conflist", #"{"name":"blue","loadOnlyInlinedPlugins":true,"plugins":[{"type":"bridge"}]}"#)
      let alone = try #require(try ConfigDirectory(host.directory).load().entries.first).list
      #expect(alone.plugins.map(\.type.description) == ["bridge"])
    }
  }

  @Test func `a network is found by name or by the start of its id`() throws {
    try FakePlugins.with([]) { host in
      try host.write("10.conf", #"{"name":"blue","type":"none"}"#)
      let contents = try ConfigDirectory(host.directory).load()
      let entry = try contents.entry("blue")
      #expect(entry.id == SHA256.hex("blue\0\(host.directory)/10.conf"))
      #expect(try contents.entry(String(entry.id.prefix(12))) == entry)
      #expect(try refusal { _ = try contents.entry("bleu") } == #"no network "bleu": the networks are blue (code 7)"#)
    }
  }
}
