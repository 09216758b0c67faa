import CNI
import Glibc
import Linux
import NetTypes
import PacketFilter

/// The record of added rules, a JSON file for each rule set: `NETWORK/HOSTINTERFACE.PART`.
///
/// HOSTINTERFACE is `AttachmentID.hostInterface`, the name of the host's end of the attachment; it is derived from the names of
/// network, container and interface.
struct RuleSetFiles {
  var directory: String

  private func directory(of network: NetworkName) -> String { "\(directory)/\(network)" }

  private func name(_ owner: AttachmentID, _ role: PluginRole) -> String { "\(owner.hostInterface).\(role.rawValue)" }

  private func path(_ owner: AttachmentID, _ role: PluginRole) -> String {
    "\(directory(of: owner.network))/\(name(owner, role))"
  }

  /// Replaces the record of the same owner and role.
  ///
  /// The file appears whole or not at all, even if the process is killed.
  ///
  /// - Throws: EEXIST if another owner's rule set has the file's name.
  func write(_ ruleSet: RuleSet) throws(KernelError) {
    let path = path(ruleSet.owner, ruleSet.role)
    try makeDirectories(for: ruleSet.owner.network)
    if let other = try self.ruleSet(at: path), other.owner != ruleSet.owner {
      throw KernelError(
        "write \(path)", errno: .EEXIST,
        reason: "\(AttachmentID.description(ofFilterTag: other.owner.filterTag)) already has a file of that name")
    }
    try Files.remove(path)
    // Another process may remove the empty directory between the two steps.
    for attempt in 1...10 {
      do throws(KernelError) {
        return try Files.create(
          name(ruleSet.owner, ruleSet.role), in: directory(of: ruleSet.owner.network), ruleSet.json.bytes)
      } catch  where error.errno == .ENOENT && attempt < 10 {
        try makeDirectories(for: ruleSet.owner.network)
      }
    }
  }

  private func makeDirectories(for network: NetworkName) throws(KernelError) {
    if let slash = directory.lastIndex(of: "/") { try Files.makeDirectories(String(directory[..<slash]), mode: 0o700) }
    for directory in [directory, directory(of: network)] {
      try SetAside.makeDirectory(directory, mode: 0o700)
    }
  }

  /// Deletes the record, if there is one and it is a rule set of that owner.
  func delete(_ owner: AttachmentID, _ role: PluginRole) throws(KernelError) {
    guard try ruleSet(of: owner, role) != nil else { return }
    try Files.remove(path(owner, role))
    try Files.removeEmptyDirectory(directory(of: owner.network))
  }

  /// Deletes the record of this rule set without reading it.
  func forget(_ ruleSet: RuleSet) throws(KernelError) { try Files.remove(path(ruleSet.owner, ruleSet.role)) }

  /// Renames a file that does not hold a rule set of that owner.
  func setAside(_ owner: AttachmentID, _ role: PluginRole) throws(KernelError) {
    try SetAside.move(path(owner, role))
  }

  /// The names of that role's files on one network that hold no valid rule set, and of files set aside before.
  ///
  /// Does not read the files of the attachments `kept`.
  func broken(
    on network: NetworkName, _ role: PluginRole, except kept: Set<AttachmentID>
  ) throws(KernelError) -> (files: [String], aside: [String]) {
    let all = try names(on: network), skipped = stems(of: kept)
    var files: [String] = []
    for name in all where name.hasSuffix(".\(role.rawValue)") && !skipped.contains(stem(name)) {
      do throws(KernelError) { _ = try ruleSet(at: "\(directory(of: network))/\(name)") } catch {
        guard error.isMalformed else { throw error }
        files.append(name)
      }
    }
    let ending = SetAside.name(of: "x.\(role.rawValue)").dropFirst(2)
    return (files, all.filter { SetAside.isAsideName($0) && $0.hasSuffix(ending) })
  }

  /// Removes these entries of a network's directory, whatever their type.
  func remove(_ names: [String], on network: NetworkName) throws(KernelError) {
    for name in names { try Files.removeTree("\(directory(of: network))/\(name)") }
    if !names.isEmpty { try Files.removeEmptyDirectory(directory(of: network)) }
  }

  /// Whether there is a file for that owner and role, even an unusable one.
  func exists(_ owner: AttachmentID, _ role: PluginRole) -> Bool { Files.exists(path(owner, role)) }

  /// The recorded rule set; `nil` if there is none.
  ///
  /// - Throws: EBADMSG if the file does not hold the rule set that belongs there.
  func ruleSet(of owner: AttachmentID, _ role: PluginRole) throws(KernelError) -> RuleSet? {
    let ruleSet = try ruleSet(at: path(owner, role))
    return ruleSet?.owner == owner ? ruleSet : nil
  }

  /// All rule sets of one network except those of `kept` and of other roles, whose files are not read; skips files without
  /// a valid rule set.
  func ruleSets(
    of network: NetworkName, except kept: Set<AttachmentID> = [], _ role: PluginRole? = nil
  ) throws(KernelError) -> [RuleSet] {
    let skipped = stems(of: kept)
    var ruleSets: [RuleSet] = []
    for name in try names(on: network).sorted()
    where !SetAside.isAsideName(name) && !skipped.contains(stem(name)) {
      if let role, !name.hasSuffix(".\(role.rawValue)") { continue }
      if let ruleSet = try readableRuleSet(name, on: network) { ruleSets.append(ruleSet) }
    }
    return ruleSets
  }

  private func stems(of owners: Set<AttachmentID>) -> Set<Substring> { Set(owners.map { "\($0.hostInterface)"[...] }) }

  private func stem(_ name: String) -> Substring { name.prefix { $0 != "." } }

  /// Whether rules of that role are recorded for owners other than these, on any network.
  func hasRecords(except owners: Set<AttachmentID>, _ role: PluginRole) throws(KernelError) -> Bool {
    let own = Set(owners.map { path($0, role) })
    for network in try networks() {
      let directory = directory(of: network)
      let isPresent = try Files.hasName(in: directory) { name in
        name.hasSuffix(".\(role.rawValue)") && !own.contains("\(directory)/\(name)")
      }
      if isPresent { return true }
    }
    return false
  }

  /// Whether `fits` is true for a rule set of that role, of other owners; networks of `owners` are searched first.
  func hasRuleSet(
    _ role: PluginRole, except owners: Set<AttachmentID>, where fits: (RuleSet) throws(KernelError) -> Bool
  ) throws(KernelError) -> Bool {
    let near = Set(owners.map { $0.network }), own = Set(owners.map { path($0, role) }), all = try networks()
    for network in all.filter(near.contains) + all.filter({ !near.contains($0) }) {
      let directory = directory(of: network)
      var failure: KernelError?
      let isFound = try Files.hasName(in: directory) { name in
        guard name.hasSuffix(".\(role.rawValue)"), !own.contains("\(directory)/\(name)") else { return false }
        do throws(KernelError) { return try readableRuleSet(name, on: network).map(fits) ?? false } catch {
          failure = error
          return true
        }
      }
      if let failure { throw failure }
      if isFound { return true }
    }
    return false
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

  /// `nil` if the file has been removed in the meantime or holds no valid rule set.
  private func readableRuleSet(_ name: String, on network: NetworkName) throws(KernelError) -> RuleSet? {
    do throws(KernelError) { return try ruleSet(at: "\(directory(of: network))/\(name)") } catch {
      guard error.isMalformed else { throw error }
      return nil
    }
  }

  /// - Throws: EBADMSG if the file holds no rule set, or one that belongs in another file; other errors do not mean that.
  private func ruleSet(at path: String) throws(KernelError) -> RuleSet? {
    guard let bytes = try StateEntries.readFile(path) else { return nil }
    let ruleSet: RuleSet
    do throws(CNIError) {
      ruleSet = try CNIJSON.decode(RuleSet.self, from: bytes)
    } catch { throw KernelError("read \(path)", errno: .EBADMSG, reason: error.message) }
    guard self.path(ruleSet.owner, ruleSet.role) == path else {
      throw KernelError(
        "read \(path)", errno: .EBADMSG,
        reason: "the file contains rules of \(ruleSet.owner.tag), which belong in another file")
    }
    return ruleSet
  }
}
