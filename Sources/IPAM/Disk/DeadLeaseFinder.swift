import Linux
import NetTypes

extension LeaseLifetime {
  /// Finds out which of many leases have ended.
  struct DeadLeaseFinder: ~Copyable {
    private let bootID = LeaseLifetime.thisBoot
    /// The device of all network namespaces (nsfs); `nil` if it is not known.
    private let device = (try? Files.status("/proc/self/ns/net"))?.device
    /// The namespaces in use, looked up when first needed.
    private var live: LiveNamespaces?

    /// Whether the lease's boot or namespace is gone; false if that is not certain.
    mutating func isDead(leaseFile path: String) -> Bool {
      guard let bootID, let lifetime = Self.lifetime(of: path) else { return false }
      guard lifetime.bootID == bootID else { return true }
      guard let namespace = lifetime.namespace else { return false }
      do throws(KernelError) { return try isGone(namespace) } catch { return false }
    }

    /// The mark of a lease file; `nil` if it has none.
    static func lifetime(of path: String) -> LeaseLifetime? {
      guard let value = try? Files.attribute(attribute, of: path) else { return nil }
      let cookie = (try? Files.attribute(cookieAttribute, of: path)) ?? []
      return LeaseLifetime(
        text: String(decoding: value, as: UTF8.self), cookie: String(decoding: cookie, as: UTF8.self))
    }

    private mutating func isGone(_ namespace: RecordedNamespace) throws(KernelError) -> Bool {
      // The path was not a network namespace at ADD, so its end cannot be seen.
      guard namespace.identity.device == device else { return false }
      let status = try Files.status(namespace.path)
      let isSameInode = status.map { FileIdentity(device: $0.device, inode: $0.inode) } == namespace.identity
      if isSameInode { return try isDifferentNamespace(at: namespace.path, than: namespace) }
      if live == nil { live = LiveNamespaces.survey() }
      guard let live else { return false }
      if let path = live.path(ofInode: namespace.identity.inode) {
        return try isDifferentNamespace(at: path, than: namespace)
      }
      return !live.isPartial
    }

    /// Whether the namespace at `path` is another one that only reuses the inode.
    private func isDifferentNamespace(at path: String, than namespace: RecordedNamespace) throws(KernelError) -> Bool {
      guard let cookie = namespace.cookie else { return false }
      return try Namespace.open(path).cookie() != cookie
    }
  }
}
