import Foundation

extension EtcdCluster {
  /// Starts the cluster anew and empty.
  public func empty() throws { try recreate { _ in } }

  /// What the cluster holds now, as a file.
  public func backup() throws -> String {
    let file = "\(directory)/backup"
    try control(["snapshot", "save", file])
    return file
  }

  /// Starts the cluster anew with what a backup holds, as an operator does it.
  public func restore(_ backup: String) throws {
    try recreate { member in
      let words = options(member).filter {
        ["--name", "--data-dir", "--initial-cluster", "--initial-advertise-peer-urls"].contains($0.prefix { $0 != "=" })
      }
      try run(["/usr/bin/etcdctl", "snapshot", "restore", backup, "--initial-cluster-token=restored"] + words)
    }
  }

  private func recreate(_ prepare: (Int) throws -> Void) throws {
    for member in memberAddresses.indices { stop(member: member) }
    for member in memberAddresses.indices {
      try FileManager.default.removeItem(atPath: "\(directory)/\(member)")
      try prepare(member)
    }
    for member in memberAddresses.indices { try launch(member) }
    try waitUntilHealthy(at: memberAddresses.indices.map { $0 })
  }
}
