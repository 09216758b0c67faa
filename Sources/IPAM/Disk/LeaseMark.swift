import Linux
import NetTypes

/// When a lease dies: with this boot, or with this network namespace.
///
/// Kept in attributes of the lease's file, not in its content.
/// `<boot id> <device>:<inode> <path>`, the last two missing where the path means something else to every process.
struct LeaseMark: Equatable {
  static let attribute = "user.swift-cni"
  /// Of the namespace's cookie: its inode is another one's as soon as it is gone.
  static let cookieAttribute = "user.swift-cni.cookie"

  var bootID: String
  var namespace: MarkedNamespace?

  struct MarkedNamespace: Equatable {
    var path: String
    var identity: FileIdentity
    /// `nil` where it is not recorded.
    var cookie: UInt64?
  }

  /// `nil` where the boot has no identifier: such a lease never dies.
  init?(namespacePath: String) {
    guard let bootID = Self.thisBoot else { return nil }
    self.bootID = bootID
    let isOfCaller = namespacePath.hasPrefix("/proc/self/") || namespacePath.hasPrefix("/proc/thread-self/")
    guard !isOfCaller, let status = try? Files.status(namespacePath) else { return }
    namespace = MarkedNamespace(
      path: namespacePath, identity: FileIdentity(device: status.device, inode: status.inode),
      cookie: cookieOfNamespace(namespacePath))
  }

  /// - Parameters:
  ///   - text: of the first attribute.
  ///   - cookie: of the second one.
  init?(text: String, cookie: String) {
    self.init(text: text)
    namespace?.cookie = UInt64(cookie)
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

  /// What the lease's file is marked with.
  var attributes: [(String, [UInt8])] {
    [(Self.attribute, Array(text.utf8))]
      + (namespace?.cookie.map { [(Self.cookieAttribute, Array("\($0)".utf8))] } ?? [])
  }

  /// `nil` where the kernel does not tell.
  static var thisBoot: String? {
    guard let bytes = try? Files.read("/proc/sys/kernel/random/boot_id") else { return nil }
    let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
    return text.isEmpty ? nil : text
  }
}

/// `nil` where the kernel does not tell, or where there is no namespace.
private func cookieOfNamespace(_ path: String) -> UInt64? {
  do throws(KernelError) { return try Namespace.open(path).cookie() } catch { return nil }
}
