public import NetTypes

/// firewalld's zones and their sources.
public protocol FirewalldClient: AnyObject, Sendable {
  /// Why firewalld cannot be used now; `nil` if it can.
  func unavailableReason() -> KernelError?

  /// Adds each source to its zone so that it survives a reload. No-op for a source that the zone has already.
  ///
  /// - Throws: the first error; the sources before it have been added then.
  func addSources(_ sources: [ZoneSource]) throws(KernelError)

  /// Removes each source from its zone. No-op for a source that the zone does not have.
  ///
  /// - Returns: the sources that are still in the permanent configuration, since its files could not be written.
  func removeSources(_ sources: [ZoneSource]) throws(KernelError) -> [ZoneSource]

  /// The sources that their zone does not have.
  func missingSources(of sources: [ZoneSource]) throws(KernelError) -> [ZoneSource]
}

/// A host without firewalld.
public final class NoFirewalld: FirewalldClient {
  public init() {}

  public func unavailableReason() -> KernelError? { Self.error }
  public func addSources(_ sources: [ZoneSource]) throws(KernelError) { throw Self.error }
  public func removeSources(_ sources: [ZoneSource]) -> [ZoneSource] { [] }
  public func missingSources(of sources: [ZoneSource]) -> [ZoneSource] { sources }

  private static let error = KernelError("look for firewalld", errno: .ENOTCONN, reason: "this host has none")
}
