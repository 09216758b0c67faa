import Linux
public import NetTypes

extension NetworkNames {
  /// The network's attachments on this host.
  public func members() throws(KernelError) -> [Member] { try state.members(of: network) }

  /// Writes the names of attachments on other hosts to the files of this host's containers and name servers.
  ///
  /// Names of other hosts that are not in `remote` are removed. Nothing is written if the files are up to date.
  ///
  /// It can be repeated after an interruption at any point.
  ///
  /// - Parameter remote: the attachments on other hosts; empty for a network that no longer spans hosts.
  /// - Returns: whether anything was changed.
  /// - Throws: the first error; the other files are changed nevertheless.
  @discardableResult
  public func writeRemoteNames(_ remote: [RemoteMember]) throws(KernelError) -> Bool {
    let record = try remoteRecord()
    if record == nil, remote.isEmpty { return false }
    let local = try members()
    let before = record ?? RemoteRecord()
    guard !local.isEmpty else { return try removeRemoteRecord(before) }
    var servers: [NameServerTarget] = []
    for case let target? in local.map({ $0.server }) where !servers.contains(target) { servers.append(target) }
    if before == RemoteRecord(members: remote, servers: servers) { return try writeOverdueChanges(local) }
    var next = before
    next.leaving += before.members.filter { !remote.contains($0) }
    next.members = remote
    next.servers += servers.filter { !before.servers.contains($0) }
    next.isSettled = false
    try willChange("record the containers on other hosts")
    try state.put(next, of: network)
    var failures = change(local, from: before, to: next)
    failures += writeServerFiles(next.servers, of: remote, local, at: servers)
    if let failure = failures.first { throw failure }
    (next.leaving, next.servers, next.isSettled) = ([], servers, true)
    try willChange("record that the files have the names of other hosts")
    try state.put(next, of: network)
    return true
  }

  /// The record; a broken one is read as empty and not settled, because its changes may be half written.
  func remoteRecord() throws(KernelError) -> RemoteRecord? {
    do throws(KernelError) { return try state.remote(network) } catch {
      guard error.isBrokenState else { throw error }
      warn("names of other hosts: \(error)")
      return RemoteRecord(isSettled: false)
    }
  }

  /// Changes the hosts files.
  private func change(_ local: [Member], from before: RemoteRecord, to next: RemoteRecord) -> [KernelError] {
    let new = next.members.flatMap { $0.lines }
    let additions = new.without(before.members.flatMap { $0.lines })
    let listed = local.filter { $0.isWrittenToPeers }
    let oldServices = Self.serviceLines(listed, before.members + before.leaving)
    let newServices = Self.serviceLines(listed, next.members)
    let isExact = before.isSettled && !local.contains { $0.isIncomplete && !$0.services.isEmpty }
    let expectedSize = (listed.flatMap { $0.lines } + new + OwnLines.standard).reduce(0) { $0 + $1.utf8.count + 1 }
    return forEachFile(of: local) { (member, hosts) throws(KernelError) in
      try willChange("change names of other hosts in \(hosts.path)")
      let services = newServices.without(member.privateLines)
      let localLines = listed.flatMap { $0.lines(for: member) } + services
      // After a crash a line may occur in the file any number of times.
      var removals = before.isSettled ? before.lines.without(new) : before.lines.without(new + localLines)
      removals += oldServices.without(newServices + member.privateLines)
      let lines =
        isExact
        ? additions + services.without(oldServices) : try InPlaceHostsFile.missing(localLines + new, from: hosts)
      guard let lines else { return warnLeftAlone(hosts, of: member.owner) }
      try carryOut(HostsChange(additions: lines, removals: removals, expectedSize: expectedSize), in: hosts, of: member)
    }
  }

  /// Writes the name server files for `wanted`, and removes the files for all other targets.
  private func writeServerFiles(
    _ targets: [NameServerTarget], of remote: [RemoteMember], _ local: [Member], at wanted: [NameServerTarget]
  ) -> [KernelError] {
    var failures: [KernelError] = []
    for target in targets {
      let files = ServerFiles(remote, of: network, at: target, in: state, warn: warn)
      do throws(KernelError) {
        try willChange("write \(files.path)")
        if remote.isEmpty || !wanted.contains(target) { try files.remove() } else { try files.write() }
        try writeServices(of: local, remote, at: target)
      } catch { failures.append(error) }
    }
    return failures
  }

  /// Removes the record of other hosts and its name server files if this host has no attachment of the network.
  func removeRemoteRecordIfUnused() throws(KernelError) {
    guard let record = try remoteRecord(), try members().isEmpty else { return }
    try removeRemoteRecord(record)
  }

  @discardableResult
  private func removeRemoteRecord(_ record: RemoteRecord) throws(KernelError) -> Bool {
    for target in record.servers {
      try ServerFiles([], of: network, at: target, in: state, warn: warn).remove()
      try writeServices(of: [], [], at: target)
    }
    try state.removeRemote(network)
    return true
  }

  /// How the files differ from the recorded names of other hosts.
  ///
  /// Empty while the record is not settled: an ADD is running or was killed. The next ADD or `cnictl repair --names`
  /// completes it.
  func remoteDifferences(in own: FileReference?) throws(KernelError) -> [String] {
    guard let record = try remoteRecord(), record.isSettled else { return [] }
    var differences: [String] = []
    if let own { differences += try missing(record.lines, from: own) }
    for target in record.servers where !record.members.isEmpty {
      differences += try ServerFiles(record.members, of: network, at: target, in: state, warn: warn).differences()
    }
    return differences
  }
}

extension [String] {
  /// These lines without `others`; each line is removed as often as it is listed there.
  func without(_ others: [String]) -> [String] {
    var left: [String: Int] = [:]
    for line in others { left[line, default: 0] += 1 }
    return filter { line in
      guard let count = left[line], count > 0 else { return true }
      left[line] = count - 1
      return false
    }
  }
}
