import Kernel
import Linux
import NetTypes

/// When a lease dies: with this boot, or with this network namespace.
///
/// Kept in an attribute of the lease's file, not in its content.
/// `<boot id> <device>:<inode> <path>`, the last two missing where the path means something else to every process.
struct LeaseMark: Equatable {
  static let attribute = "user.swift-cni"

  var bootID: String
  var namespace: MarkedNamespace?

  struct MarkedNamespace: Equatable {
    var path: String
    var identity: FileIdentity
  }

  /// `nil` where the boot has no identifier: such a lease never dies.
  init?(namespacePath: String) {
    guard let bootID = Self.thisBoot else { return nil }
    self.bootID = bootID
    let isOfCaller = namespacePath.hasPrefix("/proc/self/") || namespacePath.hasPrefix("/proc/thread-self/")
    guard !isOfCaller, let status = try? Files.status(namespacePath) else { return }
    namespace = MarkedNamespace(
      path: namespacePath, identity: FileIdentity(device: status.device, inode: status.inode))
  }

  init?(text: String) {
    let parts = text.split(separator: " ", maxSplits: 2).map(String.init)
    guard let bootID = parts.first, bootID.utf8.count == 36 else { return nil }
    self.bootID = bootID
    guard parts.count == 3 else { return }
    let numbers = parts[1].split(separator: ":").compactMap { UInt($0) }
    guard numbers.count == 2 else { return nil }
    namespace = MarkedNamespace(path: parts[2], identity: FileIdentity(device: numbers[0], inode: numbers[1]))
  }

  var text: String {
    namespace.map { "\(bootID) \($0.identity.device):\($0.identity.inode) \($0.path)" } ?? bootID
  }

  /// `nil` where the kernel does not tell.
  static var thisBoot: String? {
    guard let bytes = try? Files.read("/proc/sys/kernel/random/boot_id") else { return nil }
    let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
    return text.isEmpty ? nil : text
  }

  /// Asks about many leases in one boot.
  struct Survey {
    private let bootID = LeaseMark.thisBoot

    /// Whether the lease's boot or namespace is gone; false wherever that is not sure.
    func isDead(leaseFile path: String) -> Bool {
      guard let bootID, let value = try? Files.attribute(LeaseMark.attribute, of: path) else { return false }
      guard let mark = LeaseMark(text: String(decoding: value, as: UTF8.self)) else { return false }
      guard mark.bootID == bootID else { return true }
      guard let namespace = mark.namespace else { return false }
      do throws(KernelError) {
        guard let now = try Files.status(namespace.path) else { return true }
        return FileIdentity(device: now.device, inode: now.inode) != namespace.identity
      } catch {
        return false
      }
    }
  }
}
