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
  public func tell(of remote: [RemoteMember]) throws(KernelError) -> Bool {
    let known = try remoteRecord()
    if known == nil, remote.isEmpty { return false }
    let local = try members()
    let before = known ?? RemoteRecord()
    guard !local.isEmpty else { return try forgetRemote(before) }
    var servers: [NameServerTarget] = []
    for case let place? in local.map(\.server) where !servers.contains(place) { servers.append(place) }
    if before == RemoteRecord(members: remote, servers: servers) { return try catchUp(local) }
    var next = before
    next.leaving += before.members.filter { !remote.contains($0) }
    next.members = remote
    next.servers += servers.filter { !before.servers.contains($0) }
    next.isSettled = false
    try willChange("remember who is on other hosts")
    try state.put(next, of: network)
    var failures = change(local, from: before, to: next)
    failures += tell(next.servers, of: remote, at: servers)
    if let failure = failures.first { throw failure }
    (next.leaving, next.servers, next.isSettled) = ([], servers, true)
    try willChange("remember that the files tell who is on other hosts")
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
    let new = next.members.flatMap(\.lines)
    let coming = new.without(before.members.flatMap(\.lines))
    let listed = local.filter(\.isInOthers)
    let expected = (listed.flatMap(\.lines) + new + OwnLines.standard).reduce(0) { $0 + $1.utf8.count + 1 }
    return forEachFile(of: local) { (member, hosts) throws(KernelError) in
      try willChange("change names of other hosts in \(hosts.path)")
      let here = listed.flatMap { $0.lines(for: member) }
      // After a crash a line may occur in the file any number of times.
      let going = before.isSettled ? before.lines.without(new) : before.lines.without(new + here)
      let lines = before.isSettled ? coming : try LiveHosts.missing(here + new, from: hosts)
      guard let lines else { return warnLeftAlone(hosts, of: member.owner) }
      try carryOut(HostsChange(coming: lines, going: going, expected: expected), in: hosts, of: member)
    }
  }

  /// Writes the name server files for `wanted`, and removes the files for all other targets.
  private func tell(_ places: [NameServerTarget], of remote: [RemoteMember], at wanted: [NameServerTarget])
    -> [KernelError]
  {
    var failures: [KernelError] = []
    for place in places {
      let files = ServerFiles(remote, of: network, at: place, in: state, warn: warn)
      do throws(KernelError) {
        try willChange("write \(files.path)")
        if remote.isEmpty || !wanted.contains(place) { try files.remove() } else { try files.write() }
      } catch { failures.append(error) }
    }
    return failures
  }

  /// Removes the record of other hosts and its name server files if this host has no attachment of the network.
  func forgetRemoteIfAlone() throws(KernelError) {
    guard let known = try remoteRecord(), try members().isEmpty else { return }
    try forgetRemote(known)
  }

  @discardableResult
  private func forgetRemote(_ known: RemoteRecord) throws(KernelError) -> Bool {
    for place in known.servers {
      try ServerFiles([], of: network, at: place, in: state, warn: warn).remove()
    }
    try state.removeRemote(network)
    return true
  }

  /// How the files differ from the recorded names of other hosts.
  ///
  /// Empty while the record is not settled: an ADD is running or was killed. The next ADD or `cnictl repair --names`
  /// completes it.
  func remoteDifferences(in own: KnownFile?) throws(KernelError) -> [String] {
    guard let known = try remoteRecord(), known.isSettled else { return [] }
    var found: [String] = []
    if let own { found += try missing(known.lines, from: own) }
    for place in known.servers where !known.members.isEmpty {
      found += try ServerFiles(known.members, of: network, at: place, in: state, warn: warn).differences()
    }
    return found
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
