import Foundation

/// Runs `body` with a directory of its own, which is gone afterwards.
func inTemporaryDirectory<Value>(_ body: (String) throws -> Value) throws -> Value {
  let path = "/tmp/t-swift-cni-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  defer { try? FileManager.default.removeItem(atPath: path) }  // what is left must not hide what the test found
  return try body(path)
}

/// Every file below a directory, by its path there.
func tree(_ path: String) -> Set<String> {
  Set((FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String }) ?? [])
}
