import CNI
import Etcd
import Linux
import NetTypes

/// The ID of this host's etcd lease for one network, in the file `.lease` of a directory, under a lock.
struct EtcdLeaseFile: ~Copyable {
  private let path: String
  private let lock: FileLock

  private static let secondsToWait = 30

  /// - Throws: EAGAIN if another process held the lock for `secondsToWait`.
  static func lock(in directory: String) throws(KernelError) -> EtcdLeaseFile {
    try Files.makeDirectories(directory)
    let path = "\(directory)/.lease", lockPath = "\(path).lock"
    return EtcdLeaseFile(
      path: path, lock: try FileLock(.openLock(lockPath), seconds: secondsToWait, doing: "lock \(lockPath)"))
  }

  private init(path: String, lock: consuming FileLock) {
    self.path = path
    self.lock = lock
  }

  /// The lease's ID; `nil` if there is no file or it holds no number.
  ///
  /// A lease whose ID is lost expires in etcd by itself.
  func read() throws(KernelError) -> Int64? {
    do throws(KernelError) {
      let bytes = try StateEntries.readFile(path) ?? []
      return Int64(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace })
    } catch {
      if error.errno == .EBADMSG { return nil }
      throw error
    }
  }

  func write(_ lease: Int64) throws(KernelError) {
    let bytes = Array("\(lease)\n".utf8)
    do throws(KernelError) { try Files.replace(path, with: bytes) } catch {
      guard try SetAside.makeRoom(at: path) else { throw error }
      try Files.replace(path, with: bytes)
    }
  }
}

extension EtcdLeaseFile {
  /// Renews this host's lease, or grants a new one if the recorded one has expired.
  ///
  /// - Throws: code 11 if no quorum answers; then nothing is changed.
  static func lease<Store: EtcdStore & ~Copyable>(
    _ store: inout Store, recordedIn directory: String, seconds: Int
  ) throws(CNIError) -> EtcdLease {
    let leaseFile = try convertingErrors { () throws(KernelError) in try lock(in: directory) }
    if let number = try convertingErrors({ () throws(KernelError) in try leaseFile.read() }) {
      let recorded = EtcdLease(id: number)
      if try store.keepAlive(recorded) != nil { return recorded }
    }
    let lease = try store.grantLease(seconds: seconds)
    try convertingErrors { () throws(KernelError) in try leaseFile.write(lease.id) }
    return lease
  }
}
