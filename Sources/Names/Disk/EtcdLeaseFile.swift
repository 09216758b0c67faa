public import CNI
import Glibc
import Linux
public import NetTypes

/// The ID of this host's etcd lease for one network, in the file `NETWORK/.lease`, under a lock.
public struct EtcdLeaseFile: ~Copyable {
  private let path: String
  private let lock: FileLock

  private static let secondsToWait = 30

  /// - Throws: EAGAIN if another process held the lock for `secondsToWait`.
  public static func lock(_ network: NetworkName, in state: StateDirectory) throws(KernelError) -> EtcdLeaseFile {
    let directory = state.directory(of: network)
    try Files.makeDirectories(directory)
    let path = "\(directory)/.lease"
    return EtcdLeaseFile(path: path, lock: try StateFile.lock("\(path).lock", seconds: secondsToWait))
  }

  private init(path: String, lock: consuming FileLock) {
    self.path = path
    self.lock = lock
  }

  /// The lease's ID; `nil` if there is no file or it holds no number.
  ///
  /// A lease whose ID is lost expires in etcd by itself.
  public func read() throws(KernelError) -> Int64? {
    do throws(KernelError) {
      let bytes = try StateFile.read(path) ?? []
      return Int64(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace })
    } catch {
      if error.isBrokenState { return nil }
      throw error
    }
  }

  public func write(_ lease: Int64) throws(KernelError) {
    try StateFile.replace(path, with: Array("\(lease)\n".utf8))
  }
}
