import Foundation

/// Runs `body` with a directory of its own, which is removed afterwards.
public func inTemporaryDirectory<Value>(_ body: (String) throws -> Value) throws -> Value {
  let path = "/tmp/t-swift-cni-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  defer { try? FileManager.default.removeItem(atPath: path) }  // errors must not hide those of the test
  return try body(path)
}

/// The names in a directory; none if it does not exist.
public func fileNames(_ path: String) -> Set<String> {
  Set((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [])
}
