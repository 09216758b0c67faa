import Linux
import NetTypes

/// The boot and the network namespace that a lease ends with.
///
/// Kept in extended attributes of the lease file, not in its content: `<boot id> <device>:<inode> <path>`. The last two are
/// missing for paths such as `/proc/self/ns/net`, which mean another namespace in every process.
struct LeaseLifetime: Equatable {
  static let attribute = "user.swift-cni"
  /// The attribute for the namespace's cookie: the kernel reuses the inode of a namespace that is gone.
  static let cookieAttribute = "user.swift-cni.cookie"

  var bootID: String
  var namespace: RecordedNamespace?

  struct RecordedNamespace: Equatable {
    var path: String
    var identity: FileIdentity
    /// `nil` if it is not recorded.
    var cookie: UInt64?
  }

  /// `nil` if the boot ID cannot be read: such a lease never ends.
  init?(namespacePath: String) {
    guard let bootID = Self.thisBoot else { return nil }
    self.bootID = bootID
    let isOfCaller = namespacePath.hasPrefix("/proc/self/") || namespacePath.hasPrefix("/proc/thread-self/")
    guard !isOfCaller, let status = try? Files.status(namespacePath) else { return }
    namespace = RecordedNamespace(
      path: namespacePath, identity: FileIdentity(device: status.device, inode: status.inode),
      cookie: cookieOfNamespace(namespacePath))
  }

  /// - Parameters:
  ///   - text: the value of the first attribute.
  ///   - cookie: the value of the second attribute.
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
    namespace = RecordedNamespace(path: parts[2], identity: FileIdentity(device: numbers[0], inode: numbers[1]))
  }

  var text: String {
    namespace.map { "\(bootID) \($0.identity.device):\($0.identity.inode) \($0.path)" } ?? bootID
  }

  /// The extended attributes of the lease file.
  var attributes: [(String, [UInt8])] {
    [(Self.attribute, Array(text.utf8))]
      + (namespace?.cookie.map { [(Self.cookieAttribute, Array("\($0)".utf8))] } ?? [])
  }

  /// The kernel's boot ID; `nil` if it cannot be read.
  static var thisBoot: String? {
    guard let bytes = try? Files.read("/proc/sys/kernel/random/boot_id") else { return nil }
    let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
    return text.isEmpty ? nil : text
  }
}

/// `nil` if there is no namespace, or if the kernel does not give its cookie.
private func cookieOfNamespace(_ path: String) -> UInt64? {
  do throws(KernelError) { return try Namespace.open(path).cookie() } catch { return nil }
}
