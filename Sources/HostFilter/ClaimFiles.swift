import CNI
import CNIJSON
import Glibc
import Kernel
import Linux
import PacketFilter

/// What was added to the packet filter, a JSON file for each claim: `NETWORK/HOSTINTERFACE.PART`.
///
/// The name is the one that the attachment's end on the host has or would have: it stands for the three names.
struct ClaimFiles {
  var directory: String

  private func directory(of network: NetworkName) -> String { "\(directory)/\(network)" }

  private func name(_ owner: Owner, _ part: Part) -> String { "\(owner.hostInterface).\(part.rawValue)" }

  private func path(_ owner: Owner, _ part: Part) -> String {
    "\(directory(of: owner.network))/\(name(owner, part))"
  }

  /// Replaces what was remembered of the same owner and part.
  ///
  /// The file appears whole or not at all: a process that is killed leaves no part of one.
  func remember(_ claim: Claim) throws(KernelError) {
    try Files.remove(path(claim.owner, claim.part))
    let directory = directory(of: claim.owner.network)
    // Another owner's removal may take the directory away in between.
    for attempt in 1...10 {
      try Files.makeDirectories(directory, mode: 0o700)
      do throws(KernelError) {
        return try Files.create(name(claim.owner, claim.part), in: directory, claim.json.bytes)
      } catch  where error.errno == ENOENT && attempt < 10 {}
    }
  }

  /// Nothing happens where nothing is remembered.
  func forget(_ owner: Owner, _ part: Part) throws(KernelError) {
    try Files.remove(path(owner, part))
    try Files.removeEmptyDirectory(directory(of: owner.network))
  }

  func remembers(_ owner: Owner, _ part: Part) -> Bool { Files.exists(path(owner, part)) }

  /// `nil` where nothing is remembered.
  ///
  /// - Throws: EBADMSG where the file holds no claim.
  func claim(of owner: Owner, _ part: Part) throws(KernelError) -> Claim? { try claim(at: path(owner, part)) }

  /// All of one network; files that hold no claim are left out.
  func claims(of network: NetworkName) throws(KernelError) -> [Claim] {
    let directory = directory(of: network)
    return try (Files.list(directory) ?? []).sorted().compactMap { try? claim(at: "\(directory)/\($0)") }
  }

  /// Whether rules of that part are remembered for others than these owners, on any network.
  func remembersOthers(than owners: Set<Owner>, _ part: Part) throws(KernelError) -> Bool {
    let own = Set(owners.map { path($0, part) })
    for network in try networks() {
      let directory = directory(of: network)
      let isThere = try Files.hasName(in: directory) { name in
        name.hasSuffix(".\(part.rawValue)") && !own.contains("\(directory)/\(name)")
      }
      if isThere { return true }
    }
    return false
  }

  /// The first claim of that part that `fits`, other than these owners'; their networks are searched first.
  func firstClaim(
    _ part: Part, besides owners: Set<Owner>, where fits: (Claim) throws(KernelError) -> Bool
  ) throws(KernelError) -> Claim? {
    let near = Set(owners.map(\.network)), all = try networks()
    for network in all.filter(near.contains) + all.filter({ !near.contains($0) }) {
      let directory = directory(of: network)
      for name in try Files.list(directory) ?? [] where name.hasSuffix(".\(part.rawValue)") {
        guard let claim = try? claim(at: "\(directory)/\(name)"), !owners.contains(claim.owner) else { continue }
        if try fits(claim) { return claim }
      }
    }
    return nil
  }

  func networks() throws(KernelError) -> [NetworkName] {
    try (Files.list(directory) ?? []).sorted().compactMap(NetworkName.init)
  }

  private func claim(at path: String) throws(KernelError) -> Claim? {
    guard let bytes = try Files.readIfPresent(path) else { return nil }
    do throws(CNIError) {
      return try CNIJSON.decode(Claim.self, from: bytes)
    } catch { throw KernelError("read \(path)", errno: EBADMSG, reason: error.message) }
  }
}
