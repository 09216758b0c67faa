import CNI
import CNIRuntime
import Foundation
import Testing

private let directory = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../conf-examples")
  .standardized.path

@Suite struct ExampleTests {
  @Test func `every example file is valid and has its own network name`() throws {
    let contents = try ConfigDirectory(directory).load()
    #expect(contents.faults.isEmpty)
    #expect(contents.entries.count >= 9)
    let validator = Validator(others: contents.entries, hostRoutes: [])
    for entry in contents.entries {
      let text = try String(contentsOfFile: entry.file, encoding: .utf8)
      #expect(validator.findings(Array(text.utf8)).isEmpty, "\(entry.file)")
    }
  }

  @Test func `the readme names every file and explains every key`() throws {
    let readme = try String(contentsOfFile: "\(directory)/README.md", encoding: .utf8)
    for entry in try ConfigDirectory(directory).load().entries {
      let text = try String(contentsOfFile: entry.file, encoding: .utf8)
      #expect(readme.contains("`\(URL(filePath: entry.file).lastPathComponent)`"))
      for match in text.matches(of: /"([A-Za-z0-9]+)":/) {
        let key = match.output.1
        #expect(readme.contains("`\(key)`") || ["ips", "mac", "dst"].contains(key), "\(key) of \(entry.file)")
      }
    }
  }
}
