import CNI
import Kernel
import Linux
public import NetTypes

/// This host's records of its overlay networks, and their locks.
///
/// `STATE/NETWORK.json` is this host's record, `STATE/NETWORK/…` has a record for each published attachment. A
/// process locks `RUN/NETWORK.lock` while it writes the host's entry, `RUN/NETWORK.sync` while it watches the network.
/// `RUN/NETWORK.tables` says what the tables in the kernel were written from.
public struct OverlayRecords: Sendable {
  /// Survives a reboot.
  private let state: RecordDirectory
  private let run: RecordDirectory

  public init(state: String = StatePaths.overlayRecords, run: String = StatePaths.overlayLocks) {
    self.state = RecordDirectory(state)
    self.run = RecordDirectory(run, mode: 0o700)
  }

  /// The path of this host's record, for messages.
  func hostFile(_ network: NetworkName) -> String { state.file(hostName(network)) }

  private func hostName(_ network: NetworkName) -> String { "\(network).json" }

  private func directory(_ network: NetworkName) -> RecordDirectory { state.subdirectory("\(network)") }

  private func file(_ owner: AttachmentID) -> String {
    AttachmentID.shortHash("\(owner.container)\0\(owner.interface)") + ".json"
  }
}

// MARK: records

extension OverlayRecords {
  /// `nil` if there is no record.
  func host(_ network: NetworkName) throws(CNIError) -> HostRecord? { try read(hostName(network), in: state) }

  func save(_ record: HostRecord, of network: NetworkName) throws(CNIError) {
    try convertingErrors(as: .leaseStore) { () throws(KernelError) in
      try state.write(hostName(network), record.json.bytes)
    }
  }

  func endpoint(_ owner: AttachmentID) throws(CNIError) -> EndpointRecord? {
    try read(file(owner), in: directory(owner.network))
  }

  func save(_ record: EndpointRecord, of owner: AttachmentID) throws(CNIError) {
    try convertingErrors(as: .leaseStore) { () throws(KernelError) in
      try directory(owner.network).write(file(owner), record.json.bytes)
    }
  }

  func remove(_ owner: AttachmentID) throws(CNIError) {
    try convertingErrors(as: .leaseStore) { () throws(KernelError) in
      try directory(owner.network).remove(file(owner))
    }
  }

  /// All records of the network.
  func endpoints(of network: NetworkName) throws(CNIError) -> [EndpointRecord] {
    let directory = directory(network)
    let names = try convertingErrors(as: .leaseStore) { () throws(KernelError) in try directory.names() }
    var records: [EndpointRecord] = []
    for name in names where name.hasSuffix(".json") {
      if let record: EndpointRecord = try read(name, in: directory) { records.append(record) }
    }
    return records
  }

  private func read<Record: JSONReadable>(_ name: String, in directory: RecordDirectory) throws(CNIError) -> Record? {
    guard let bytes = try convertingErrors(as: .leaseStore, { () throws(KernelError) in try directory.read(name) })
    else { return nil }
    do throws(CNIError) { return try CNIJSON.decode(Record.self, from: bytes) } catch {
      throw CNIError(
        .leaseStore, "read \(directory.file(name)): \(error.message)",
        details: "remove this file: etcd has the same data until this host's lease expires")
    }
  }
}

// MARK: written tables

extension OverlayRecords {
  private func tablesName(_ network: NetworkName) -> String { "\(network).tables" }

  /// `nil` if there is no record, or none that can be used: everything is read then.
  func tables(_ network: NetworkName) -> WrittenTables? {
    do throws(CNIError) { return try read(tablesName(network), in: run) } catch { return nil }
  }

  /// Best effort: without the record the next ADD reads everything.
  ///
  /// A process that is killed leaves the old record, the new one or none, and no other file.
  func save(_ tables: WrittenTables, of network: NetworkName) {
    do throws(KernelError) {
      try run.make()
      try run.remove(tablesName(network))
      try Files.create(tablesName(network), in: run.path, tables.json.bytes)
    } catch {}  // another process may have written its record meanwhile
  }

  func forgetTables(of network: NetworkName) {
    do throws(KernelError) { try run.remove(tablesName(network)) } catch {}  // the record is compared before it is used
  }
}

// MARK: locks

extension OverlayRecords {
  /// Locks the host's entry in etcd, so that only one process on this host writes it.
  ///
  /// - Throws: code 11 if another process holds the lock for more than 10 seconds.
  func lock(_ network: NetworkName) throws(CNIError) -> FileLock { try lock("\(network).lock", seconds: 10) }

  /// Marks the network as watched while the lock is held.
  ///
  /// - Throws: code 11 if another process watches it already.
  func lockWatch(_ network: NetworkName) throws(CNIError) -> FileLock {
    // `isWatched` in another process holds the lock for a moment.
    for _ in 0..<10 {
      do throws(CNIError) { return try lock("\(network).sync", seconds: 0) } catch  where error.code == .tryAgainLater {
        Clock.sleep(milliseconds: 20)
      }
    }
    return try lock("\(network).sync", seconds: 0)
  }

  private func lock(_ name: String, seconds: Int) throws(CNIError) -> FileLock {
    try convertingErrors(as: .leaseStore) { () throws(KernelError) in
      try Files.makeDirectories(run.path, mode: 0o700)
      let path = run.file(name)
      return try FileLock(.open(path, for: .updating), seconds: seconds, doing: "lock \(path)")
    }
  }

  /// Whether a process holds `lockWatch`.
  func isWatched(_ network: NetworkName) -> Bool {
    let path = run.file("\(network).sync")
    guard Files.exists(path) else { return false }
    do throws(KernelError) {
      // A shared lock, so that two processes in `isWatched` do not see each other as the watcher.
      _ = try FileLock(.open(path, for: .updating), exclusively: false, seconds: 0, doing: "look at \(path)")
      return false
    } catch { return error.isTryAgain }
  }
}
