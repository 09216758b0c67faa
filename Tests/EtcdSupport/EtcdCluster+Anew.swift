import Foundation

extension EtcdCluster {
  /// Starts the cluster anew and empty.
  public func empty() throws { try makeAnew { _ in } }

  /// What the cluster holds now, as a file.
  public func backup() throws -> String {
    let file = "\(directory)/backup"
    try control(["snapshot", "save", file])
    return file
  }

  /// Starts the cluster anew with what a backup holds, as an operator does it.
  public func restore(_ backup: String) throws {
    try makeAnew { member in
      let words = options(member).filter {
        ["--name", "--data-dir", "--initial-cluster", "--initial-advertise-peer-urls"].contains($0.prefix { $0 != "=" })
      }
      try run(["/usr/bin/etcdctl", "snapshot", "restore", backup, "--initial-cluster-token=restored"] + words)
    }
  }

  private func makeAnew(_ prepare: (Int) throws -> Void) throws {
    for member in places.indices { stop(member: member) }
    for member in places.indices {
      try FileManager.default.removeItem(atPath: "\(directory)/\(member)")
      try prepare(member)
    }
    for member in places.indices { try launch(member) }
    try waitUntilHealthy(at: places.indices.map { $0 })
  }
}
