import Linux
import NetTypes

extension LeaseMark {
  /// Asks about many leases in one boot.
  struct Survey: ~Copyable {
    private let bootID = LeaseMark.thisBoot
    /// The device of all namespaces; `nil` where it is not known.
    private let device = (try? Files.status("/proc/self/ns/net"))?.device
    /// What is alive, looked for once it matters.
    private var live: LiveNamespaces?

    /// Whether the lease's boot or namespace is gone; false wherever that is not sure.
    mutating func isDead(leaseFile path: String) -> Bool {
      guard let bootID, let mark = Self.mark(of: path) else { return false }
      guard mark.bootID == bootID else { return true }
      guard let namespace = mark.namespace else { return false }
      do throws(KernelError) { return try isGone(namespace) } catch { return false }
    }

    /// What a lease's file is marked with; `nil` where it has no mark.
    static func mark(of path: String) -> LeaseMark? {
      guard let value = try? Files.attribute(attribute, of: path) else { return nil }
      let cookie = (try? Files.attribute(cookieAttribute, of: path)) ?? []
      return LeaseMark(text: String(decoding: value, as: UTF8.self), cookie: String(decoding: cookie, as: UTF8.self))
    }

    private mutating func isGone(_ namespace: MarkedNamespace) throws(KernelError) -> Bool {
      // Another kind of file stood for a namespace that only its owner knows.
      guard namespace.identity.device == device else { return false }
      let now = try Files.status(namespace.path)
      let isThere = now.map { FileIdentity(device: $0.device, inode: $0.inode) } == namespace.identity
      if isThere { return try isAnother(at: namespace.path, than: namespace) }
      if live == nil { live = LiveNamespaces.survey() }
      guard let live else { return false }
      if let path = live.path(ofInode: namespace.identity.inode) { return try isAnother(at: path, than: namespace) }
      return !live.isPartial
    }

    /// Whether the namespace at `path` only got the inode of the one that is meant.
    private func isAnother(at path: String, than namespace: MarkedNamespace) throws(KernelError) -> Bool {
      guard let cookie = namespace.cookie else { return false }
      return try Namespace.open(path).cookie() != cookie
    }
  }
}
