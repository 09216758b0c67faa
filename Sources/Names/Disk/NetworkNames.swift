public import CNI
import Linux
public import NetTypes

/// The names of one network on this host, under the network's lock.
///
/// A record is written before any hosts file changes and removed after all of them, so that DEL can clean up after a
/// process that was killed at any point.
public struct NetworkNames: ~Copyable {
  let state: StateDirectory
  let network: NetworkName
  private let lock: FileLock
  /// Called with a description before each change; tests throw here.
  let willChange: (String) throws(KernelError) -> Void
  /// Called with problems that must not fail the command.
  let warn: (String) -> Void

  static let secondsToWait = 30

  /// Takes the network's lock.
  ///
  /// - Parameters:
  ///   - network: the network.
  ///   - state: the state directory.
  ///   - making: whether to create the network's directory; DEL passes `false`, since without it there is nothing to
  ///     do.
  ///   - warn: called with what was left alone and why.
  ///   - willChange: called with a description before each change; an error that it throws prevents the change.
  /// - Returns: `nil` if there is no directory and `making` is `false`.
  /// - Throws: EAGAIN if another process held the lock for `secondsToWait`.
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

  /// All other attachments that have a hosts file and are complete.
  func peers(of owner: Owner) throws(KernelError) -> [Member] {
    try state.members(of: network).filter { $0.owner != owner && $0.isInOthers }
  }

  /// Runs `body` for each member, under the lock of its container; each lock is taken once.
  ///
  /// - Returns: the errors; the other members are handled nevertheless.
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
  /// Whether it has a hosts file and its lines are in the others' files.
  var isInOthers: Bool { hosts != nil && !isIncomplete }
}
