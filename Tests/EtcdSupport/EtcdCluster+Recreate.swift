import Foundation

extension EtcdCluster {
  /// Restarts the cluster without data.
  public func empty() throws { try recreate { _ in } }

  /// Saves the cluster's data and returns the path of the file.
  public func backup() throws -> String {
    let file = "\(directory)/backup"
    try control(["snapshot", "save", file])
    return file
  }

  /// Restarts the cluster with the data of a backup, as an operator does.
  public func restore(_ backup: String) throws {
    try recreate { member in
      let memberOptions = options(member).filter {
        ["--name", "--data-dir", "--initial-cluster", "--initial-advertise-peer-urls"].contains($0.prefix { $0 != "=" })
      }
      try run(["/usr/bin/etcdctl", "snapshot", "restore", backup, "--initial-cluster-token=restored"] + memberOptions)
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
