import CNI
import Linux
import NetTypes

/// Keeps others from changing the files of a container, whichever network they do it for; never two at once.
struct ContainerLock: ~Copyable {
  private let lock: FileLock

  /// How many lock files there are: a few, so that none has to be removed.
  static let count = 64
  static let secondsToWait = 30

  /// Which of them is the container's.
  static func number(_ container: ContainerID) -> Int {
    Int(container.description.utf8.reduce(UInt32(0x811C_9DC5)) { ($0 ^ UInt32($1)) &* 0x0100_0193 } % UInt32(count))
  }

  /// - Throws: EAGAIN where somebody else held it too long.
  init(_ number: Int, in directory: String) throws(KernelError) {
    let path = "\(directory)/.locks/\(number)"
    do throws(KernelError) {
      lock = try StateFile.lock(path, seconds: Self.secondsToWait)
    } catch {
      guard error.isMissing else { throw error }
      // Another program has removed or replaced the locks' directory.
      try SetAside.makeDirectory("\(directory)/.locks")
      lock = try StateFile.lock(path, seconds: Self.secondsToWait)
    }
  }

  init(_ container: ContainerID, in state: StateDirectory) throws(KernelError) {
    try self.init(Self.number(container), in: state.path)
  }
}
