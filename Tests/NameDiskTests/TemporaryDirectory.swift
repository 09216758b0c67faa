import Foundation

/// Runs `body` with a new directory, which is removed afterwards.
func inTemporaryDirectory<Value>(_ body: (String) throws -> Value) throws -> Value {
  let path = "/tmp/t-swift-cni-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  defer { try? FileManager.default.removeItem(atPath: path) }  // errors must not hide those of the test
  return try body(path)
}

/// Every file below a directory, by its relative path.
func tree(_ path: String) -> Set<String> {
  Set((FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String }) ?? [])
}
