public import CNI
import Linux
public import NetTypes

/// The names of one network, held against everybody else.
///
/// What is remembered is written before any hosts file changes and removed after them, so that DEL can clean up after
/// a process that ended at any moment.
public struct NetworkNames: ~Copyable {
  let state: StateDirectory
  let network: NetworkName
  private let lock: FileLock
  /// Called before each change with what it is; tests throw here.
  let willChange: (String) throws(KernelError) -> Void
  /// What must not become the outcome.
  let warn: (String) -> Void

  static let secondsToWait = 30

  /// - Parameters:
  ///   - network: whose names.
  ///   - state: where they are remembered.
  ///   - making: whether to make its directory; DEL has nothing to do where there is none.
  ///   - warn: told what was left alone and why.
  ///   - willChange: told each change before it is made; what it throws keeps it from being made.
  /// - Returns: `nil` where there is no directory and none is to be made.
  /// - Throws: EAGAIN where somebody else held them too long.
  public static func lock(
    _ network: NetworkName, in state: StateDirectory, making: Bool, warn: @escaping (String) -> Void = { _ in },
    willChange: @escaping (String) throws(KernelError) -> Void = { _ throws(KernelError) in }
  ) throws(KernelError) -> NetworkNames? {
    let directory = state.directory(of: network)
    if making {
      try SetAside.makeDirectory("\(state.path)/.locks")
      try SetAside.makeDirectory(directory)
    }
    let path = "\(directory)/.lock"
    do throws(KernelError) {
      let lock = try StateFile.lock(path, seconds: secondsToWait)
      return NetworkNames(state: state, network: network, lock: lock, willChange: willChange, warn: warn)
    } catch {
      if !making, error.isMissing { return nil }
      throw error
    }
  }

  private init(
    state: StateDirectory, network: NetworkName, lock: consuming FileLock,
    willChange: @escaping (String) throws(KernelError) -> Void, warn: @escaping (String) -> Void
  ) {
    self.state = state
    self.network = network
    self.lock = lock
    self.willChange = willChange
    self.warn = warn
  }

  /// All but that attachment that have a hosts file and are in the others'.
  func peers(of owner: Owner) throws(KernelError) -> [Member] {
    try state.members(of: network).filter { $0.owner != owner && $0.isInOthers }
  }

  /// Runs `body` for each member, under the lock of its container; each lock is taken once.
  ///
  /// - Returns: what failed; the others were done all the same.
  func forEachFile(
    of members: [Member], _ body: (Member, KnownFile) throws(KernelError) -> Void
  ) -> [KernelError] {
    var groups: [Int: [Member]] = [:]
    for member in members { groups[ContainerLock.number(member.owner.container), default: []].append(member) }
    var failures: [KernelError] = []
    for (number, group) in groups.sorted(by: { $0.key < $1.key }) {
      do throws(KernelError) {
        let lock = try ContainerLock(number, in: state.path)
        for member in group {
          guard let hosts = member.hosts else { continue }
          do throws(KernelError) { try body(member, hosts) } catch { failures.append(error) }
        }
        _ = consume lock
      } catch { failures.append(error) }
    }
    return failures
  }

  func warnLeftAlone(_ identity: KnownFile, of owner: Owner) {
    warn("\(identity.path): left alone: no longer the hosts file of container \(owner.container)")
  }
}

extension Member {
  /// Whether it has a hosts file and its lines are in those of the others.
  var isInOthers: Bool { hosts != nil && !isIncomplete }
}
