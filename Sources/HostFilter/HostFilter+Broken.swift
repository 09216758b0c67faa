public import CNI
import Glibc
public import NetTypes
public import PacketFilter

/// Claim files that hold no claim, or another attachment's: they are renamed, written about, and removed by GC.
extension HostFilter {
  /// What was added for that owner and part; `nil` too where its file holds no claim.
  public func claim(of owner: Owner, _ part: Part) throws(KernelError) -> Claim? {
    if case .claim(let claim) = try memory.content(of: owner, part) { claim } else { nil }
  }

  public func claims(of network: NetworkName) throws(KernelError) -> [Claim] { try memory.claims(of: network) }

  public func claims(of network: NetworkName, besides kept: Set<Owner>) throws(KernelError) -> [Claim] {
    try memory.claims(of: network, besides: kept)
  }

  /// What is remembered; a file that cannot be used is set aside with the rules that have the owner's tag.
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

  /// Removes that part's files of a network that hold no claim.
  ///
  /// Rules without a claim are found by their tags.
  func removeBroken(on network: NetworkName, _ part: Part, besides kept: Set<Owner>) throws(KernelError) {
    let broken = try memory.broken(on: network, part, besides: kept)
    for name in broken.files { note("\(network)/\(name): not a claim that belongs there: removed") }
    try memory.remove(broken.files + broken.aside, on: network)
  }
}

extension ClaimFiles {
  /// What an owner's claim file holds.
  enum Content {
    case nothing
    case claim(Claim)
    /// No claim of that owner.
    case broken(KernelError)
  }

  /// - Throws: what keeps the file from being read now.
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
  /// Whether a claim file holds no claim that belongs there.
  var isMalformed: Bool { errno == .EBADMSG }
}
