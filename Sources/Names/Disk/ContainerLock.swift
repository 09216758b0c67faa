import CNI
import Linux
import NetTypes

/// The lock for a container's hosts, `resolv.conf` and `hostname` files, which all networks of the container share.
///
/// A process never holds two of them at once, so that there is no deadlock.
struct ContainerLock: ~Copyable {
  private let lock: FileLock

  /// The number of lock files; all containers share them, so no lock file has to be removed.
  static let count = 64
  static let secondsToWait = 30

  /// The number of the container's lock file: a hash of its ID.
  static func number(_ container: ContainerID) -> Int { Int(FNV1a.hash32(container.description) % UInt32(count)) }

  /// - Throws: EAGAIN if another process held the lock for `secondsToWait`.
  init(_ number: Int, in directory: String) throws(KernelError) {
    let path = "\(directory)/.locks/\(number)"
    do throws(KernelError) {
      lock = try StateFile.lock(path, seconds: Self.secondsToWait)
    } catch {
      guard error.isMissing else { throw error }
      // Another program has removed or replaced the directory of the lock files.
      try SetAside.makeDirectory("\(directory)/.locks")
      lock = try StateFile.lock(path, seconds: Self.secondsToWait)
    }
  }

  init(_ container: ContainerID, in state: StateDirectory) throws(KernelError) {
    try self.init(Self.number(container), in: state.path)
  }
}
