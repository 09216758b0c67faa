import Linux
import NetTypes

extension LeaseMark {
  /// Finds out which of many leases have ended.
  struct Survey: ~Copyable {
    private let bootID = LeaseMark.thisBoot
    /// The device of all network namespaces (nsfs); `nil` if it is not known.
    private let device = (try? Files.status("/proc/self/ns/net"))?.device
    /// The namespaces in use, looked up when first needed.
    private var live: LiveNamespaces?

    /// Whether the lease's boot or namespace is gone; false if that is not certain.
    mutating func isDead(leaseFile path: String) -> Bool {
      guard let bootID, let mark = Self.mark(of: path) else { return false }
      guard mark.bootID == bootID else { return true }
      guard let namespace = mark.namespace else { return false }
      do throws(KernelError) { return try isGone(namespace) } catch { return false }
    }

    /// The mark of a lease file; `nil` if it has none.
    static func mark(of path: String) -> LeaseMark? {
      guard let value = try? Files.attribute(attribute, of: path) else { return nil }
      let cookie = (try? Files.attribute(cookieAttribute, of: path)) ?? []
      return LeaseMark(text: String(decoding: value, as: UTF8.self), cookie: String(decoding: cookie, as: UTF8.self))
    }

    private mutating func isGone(_ namespace: MarkedNamespace) throws(KernelError) -> Bool {
      // The path was not a network namespace at ADD, so its end cannot be seen.
      guard namespace.identity.device == device else { return false }
      let now = try Files.status(namespace.path)
      let isThere = now.map { FileIdentity(device: $0.device, inode: $0.inode) } == namespace.identity
      if isThere { return try isAnother(at: namespace.path, than: namespace) }
      if live == nil { live = LiveNamespaces.survey() }
      guard let live else { return false }
      if let path = live.path(ofInode: namespace.identity.inode) { return try isAnother(at: path, than: namespace) }
      return !live.isPartial
    }

    /// Whether the namespace at `path` is another one that only reuses the inode.
    private func isAnother(at path: String, than namespace: MarkedNamespace) throws(KernelError) -> Bool {
      guard let cookie = namespace.cookie else { return false }
      return try Namespace.open(path).cookie() != cookie
    }
  }
}
