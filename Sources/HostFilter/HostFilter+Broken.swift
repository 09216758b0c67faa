public import CNI
import Glibc
public import NetTypes
public import PacketFilter

/// Claim files without a valid claim: they are renamed, reported on standard error, and removed by GC.
extension HostFilter {
  /// The recorded claim of that owner and part; `nil` if there is none or its file holds no valid claim.
  public func claim(of owner: Owner, _ part: Part) throws(KernelError) -> Claim? {
    if case .claim(let claim) = try memory.content(of: owner, part) { claim } else { nil }
  }

  public func claims(of network: NetworkName) throws(KernelError) -> [Claim] { try memory.claims(of: network) }

  public func claims(of network: NetworkName, besides kept: Set<Owner>) throws(KernelError) -> [Claim] {
    try memory.claims(of: network, besides: kept)
  }

  /// The recorded claim; if the file is unusable, removes the rules with the owner's tag and sets the file aside.
  mutating func rememberedClaim(of owner: Owner, _ part: Part) throws(KernelError) -> Claim? {
    switch try memory.content(of: owner, part) {
    case .nothing: return nil
    case .claim(let claim): return claim
    case .broken(let reason):
      try removeEverywhere(owner.filterTag, part)
      try setAside(owner, part, reason)
      return nil
    }
  }

  func setAside(_ owner: Owner, _ part: Part, _ reason: KernelError) throws(KernelError) {
    try memory.setAside(owner, part)
    note("\(reason): set aside")
  }

  /// Removes that part's files of a network that hold no valid claim.
  ///
  /// Their rules can still be found by the tags.
  func removeBroken(on network: NetworkName, _ part: Part, besides kept: Set<Owner>) throws(KernelError) {
    let broken = try memory.broken(on: network, part, besides: kept)
    for name in broken.files { note("\(network)/\(name): not a claim that belongs there: removed") }
    try memory.remove(broken.files + broken.aside, on: network)
  }
}

extension ClaimFiles {
  /// The content of an owner's claim file.
  enum Content {
    case nothing
    case claim(Claim)
    /// The file does not hold a claim of that owner.
    case broken(KernelError)
  }

  /// - Throws: the error that keeps the file from being read now.
  func content(of owner: Owner, _ part: Part) throws(KernelError) -> Content {
    do throws(KernelError) {
      return try claim(of: owner, part).map(Content.claim) ?? .nothing
    } catch {
      guard error.isMalformed else { throw error }
      return .broken(error)
    }
  }
}

extension KernelError {
  /// Whether a claim file does not hold the claim that belongs there.
  var isMalformed: Bool { errno == .EBADMSG }
}
