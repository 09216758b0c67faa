import CNI
import Foundation
import Testing

@testable import CNIRuntime

private let project = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized.path
private let schemas = "\(project)/share/swift-cni/schemas"

@Suite struct KeyTableTests {
  @Test(arguments: ConfigSchema.names)
  func `the schema in share equals the key table: run make schemas`(name: String) throws {
    let written = try String(contentsOfFile: "\(schemas)/\(name).json", encoding: .utf8)
    #expect(written == (ConfigSchema.schema(name)?.pretty()).map { $0 + "\n" })
  }

  @Test func `share has no other schemas`() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: schemas)
    #expect(files.sorted() == ConfigSchema.names.map { "\($0).json" }.sorted())
  }

  @Test func `the tables in the docs equal the key tables: run make schemas`() throws {
    let text = try String(contentsOfFile: "\(project)/docs/plugins.md", encoding: .utf8)
    #expect(KeyDocs.filled(text) == text)
  }

  @Test func `the docs have a table for every key group of every plugin`() throws {
    let text = try String(contentsOfFile: "\(project)/docs/plugins.md", encoding: .utf8)
    for table in KeyTables.plugins + KeyTables.ipam where !["static", "dhcp"].contains(table.name) {
      for group in table.groups where !group.keys.isEmpty {
        let names = group.keys.map { "| `\($0.name)` | " }
        #expect(names.allSatisfy(text.contains), "\(table.name) \(group.name)")
      }
    }
  }

  @Test func `no plugin has the same key twice`() {
    for table in KeyTables.plugins + KeyTables.ipam {
      expectNoRepeated(table.keys, in: table.name)
    }
    for (name, keys) in [("list", Key.list), ("common", Key.common), ("runtimeConfig", Key.runtimeConfig)] {
      expectNoRepeated(keys, in: name)
    }
  }

  private func expectNoRepeated(_ keys: [Key], in place: String) {
    #expect(Set(keys.map(\.name)).count == keys.count, "\(place)")
    for key in keys {
      #expect(!key.meaning.contains("\n") && !key.meaning.contains("|"), "\(place).\(key.name)")
      if let members = key.members { expectNoRepeated(members, in: "\(place).\(key.name)") }
    }
  }

  @Test func `the key tables have only capabilities that runtimes offer`() {
    for key in Key.runtimeConfig {
      guard let capability = key.capability else { continue }
      #expect(KeyTables.capabilities[capability] != nil, "\(capability)")
    }
    #expect(
      KeyTables.capabilities.keys.sorted() == [
        "aliases", "bandwidth", "deviceID", "dns", "infinibandGUID", "ipRanges", "ips", "mac", "portMappings",
      ])
  }

  @Test func `a docs marker without a table or an end is an error`() {
    #expect(KeyDocs.filled("<!-- keys: bridge -->\n<!-- end -->")?.contains("`bridge`") == true)
    #expect(KeyDocs.filled("<!-- keys: bridge -->") == nil)
    #expect(KeyDocs.filled("<!-- keys: brigde -->\n<!-- end -->") == nil)
    #expect(KeyDocs.filled("<!-- keys: bridge mtu -->\n<!-- end -->") == nil)
  }
}
