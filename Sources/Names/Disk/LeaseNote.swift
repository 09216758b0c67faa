public import CNI
import Glibc
import Linux
public import NetTypes

/// Which of etcd's leases holds what this host tells of a network: `NETWORK/.lease`, held against everybody else.
public struct LeaseNote: ~Copyable {
  private let path: String
  private let lock: FileLock

  private static let secondsToWait = 30

  /// - Throws: EAGAIN where somebody else held it too long.
  public static func lock(_ network: NetworkName, in state: StateDirectory) throws(KernelError) -> LeaseNote {
    let directory = state.directory(of: network)
    try Files.makeDirectories(directory)
    let path = "\(directory)/.lease"
    return LeaseNote(path: path, lock: try StateFile.lock("\(path).lock", seconds: secondsToWait))
  }

  private init(path: String, lock: consuming FileLock) {
    self.path = path
    self.lock = lock
  }

  /// The lease's number; `nil` where there is none, or none that can be read: its time will end.
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
