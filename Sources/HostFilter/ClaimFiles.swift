import CNI
import Glibc
import Linux
import NetTypes
import PacketFilter

/// The record of added rules, a JSON file for each claim: `NETWORK/HOSTINTERFACE.PART`.
///
/// HOSTINTERFACE is `Owner.hostInterface`, the name of the host's end of the attachment; it is derived from the names of
/// network, container and interface.
struct ClaimFiles {
  var directory: String

  private func directory(of network: NetworkName) -> String { "\(directory)/\(network)" }

  private func name(_ owner: Owner, _ part: Part) -> String { "\(owner.hostInterface).\(part.rawValue)" }

  private func path(_ owner: Owner, _ part: Part) -> String {
    "\(directory(of: owner.network))/\(name(owner, part))"
  }

  /// Replaces the record of the same owner and part.
  ///
  /// The file appears whole or not at all, even if the process is killed.
  ///
  /// - Throws: EEXIST if another owner's claim has the file's name.
  func remember(_ claim: Claim) throws(KernelError) {
    let path = path(claim.owner, claim.part)
    try makeDirectories(for: claim.owner.network)
    if let other = try self.claim(at: path), other.owner != claim.owner {
      throw KernelError(
        "write \(path)", errno: .EEXIST, reason: "\(Owner.words(ofFilterTag: other.owner.filterTag)) has that name")
    }
    try Files.remove(path)
    // Another process may remove the empty directory between the two steps.
    for attempt in 1...10 {
      do throws(KernelError) {
        return try Files.create(
          name(claim.owner, claim.part), in: directory(of: claim.owner.network), claim.json.bytes)
      } catch  where error.errno == .ENOENT && attempt < 10 {
        try makeDirectories(for: claim.owner.network)
      }
    }
  }

  private func makeDirectories(for network: NetworkName) throws(KernelError) {
    if let slash = directory.lastIndex(of: "/") { try Files.makeDirectories(String(directory[..<slash]), mode: 0o700) }
    for directory in [directory, directory(of: network)] {
      try SetAside.makeDirectory(directory, mode: 0o700)
    }
  }

  /// Deletes the record, if there is one and it is a claim of that owner.
  func forget(_ owner: Owner, _ part: Part) throws(KernelError) {
    guard try claim(of: owner, part) != nil else { return }
    try Files.remove(path(owner, part))
    try Files.removeEmptyDirectory(directory(of: owner.network))
  }

  /// Renames a file that does not hold a claim of that owner.
  func setAside(_ owner: Owner, _ part: Part) throws(KernelError) {
    try SetAside.move(path(owner, part))
  }

  /// The names of that part's files on one network that hold no valid claim, and of files set aside before.
  ///
  /// Does not read the files of the attachments `kept`.
  func broken(
    on network: NetworkName, _ part: Part, besides kept: Set<Owner>
  ) throws(KernelError) -> (files: [String], aside: [String]) {
    let all = try names(on: network), skipped = stems(of: kept)
    var files: [String] = []
    for name in all where name.hasSuffix(".\(part.rawValue)") && !skipped.contains(stem(name)) {
      do throws(KernelError) { _ = try claim(at: "\(directory(of: network))/\(name)") } catch {
        guard error.isMalformed else { throw error }
        files.append(name)
      }
    }
    let ending = SetAside.name(of: "x.\(part.rawValue)").dropFirst(2)
    return (files, all.filter { SetAside.isOne($0) && $0.hasSuffix(ending) })
  }

  /// Removes these entries of a network's directory, whatever their type.
  func remove(_ names: [String], on network: NetworkName) throws(KernelError) {
    for name in names { try Files.removeTree("\(directory(of: network))/\(name)") }
    if !names.isEmpty { try Files.removeEmptyDirectory(directory(of: network)) }
  }

  /// Whether there is a file for that owner and part, even an unusable one.
  func remembers(_ owner: Owner, _ part: Part) -> Bool { Files.exists(path(owner, part)) }

  /// The recorded claim; `nil` if there is none.
  ///
  /// - Throws: EBADMSG if the file does not hold the claim that belongs there.
  func claim(of owner: Owner, _ part: Part) throws(KernelError) -> Claim? {
    let claim = try claim(at: path(owner, part))
    return claim?.owner == owner ? claim : nil
  }

  /// All claims of one network except those of `kept`, whose files are not read; skips files without a valid claim.
  func claims(of network: NetworkName, besides kept: Set<Owner> = []) throws(KernelError) -> [Claim] {
    let skipped = stems(of: kept)
    var claims: [Claim] = []
    for name in try names(on: network).sorted()
    where !SetAside.isOne(name) && !skipped.contains(stem(name)) {
      if let claim = try readableClaim(name, on: network) { claims.append(claim) }
    }
    return claims
  }

  private func stems(of owners: Set<Owner>) -> Set<Substring> { Set(owners.map { "\($0.hostInterface)"[...] }) }

  private func stem(_ name: String) -> Substring { name.prefix { $0 != "." } }

  /// Whether rules of that part are recorded for owners other than these, on any network.
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

  /// The first claim of that part for which `fits` is true, of other owners; networks of `owners` are searched first.
  func firstClaim(
    _ part: Part, besides owners: Set<Owner>, where fits: (Claim) throws(KernelError) -> Bool
  ) throws(KernelError) -> Claim? {
    let near = Set(owners.map(\.network)), own = Set(owners.map { path($0, part) }), all = try networks()
    for network in all.filter(near.contains) + all.filter({ !near.contains($0) }) {
      let directory = directory(of: network)
      for name in try names(on: network)
      where name.hasSuffix(".\(part.rawValue)") && !own.contains("\(directory)/\(name)") {
        if let claim = try readableClaim(name, on: network), try fits(claim) { return claim }
      }
    }
    return nil
  }

  func networks() throws(KernelError) -> [NetworkName] {
    guard try Files.isDirectory(directory) else { return [] }
    var networks: [NetworkName] = []
    for network in try (Files.list(directory) ?? []).sorted().compactMap(NetworkName.init)
    where try Files.isDirectory(self.directory(of: network)) { networks.append(network) }
    return networks
  }

  private func names(on network: NetworkName) throws(KernelError) -> [String] {
    let directory = directory(of: network)
    return try Files.isDirectory(directory) ? Files.list(directory) ?? [] : []
  }

  /// `nil` if the file has been removed in the meantime or holds no valid claim.
  private func readableClaim(_ name: String, on network: NetworkName) throws(KernelError) -> Claim? {
    do throws(KernelError) { return try claim(at: "\(directory(of: network))/\(name)") } catch {
      guard error.isMalformed else { throw error }
      return nil
    }
  }

  /// - Throws: EBADMSG if the file holds no claim, or one that belongs in another file; other errors do not mean that.
  private func claim(at path: String) throws(KernelError) -> Claim? {
    guard let bytes = try StateEntries.readFile(path) else { return nil }
    let claim: Claim
    do throws(CNIError) {
      claim = try CNIJSON.decode(Claim.self, from: bytes)
    } catch { throw KernelError("read \(path)", errno: .EBADMSG, reason: error.message) }
    guard self.path(claim.owner, claim.part) == path else {
      throw KernelError(
        "read \(path)", errno: .EBADMSG, reason: "it is of \(claim.owner.tag), whose file is another one")
    }
    return claim
  }
}
