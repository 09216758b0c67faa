import CNI
import NetTypes

/// All back-ends of a service have the same lines. A hosts file has each of them once, from the first back-end on any host
/// to the last one.
extension NetworkNames {
  /// The lines that the hosts files have only because of `member`: none of its peers and no other host has that service.
  func serviceLines(onlyOf member: Member, beside peers: [Member]) throws(KernelError) -> [String] {
    guard !member.services.isEmpty else { return [] }
    let others = Set(Self.serviceLines(peers, try remoteRecord()?.members ?? []))
    return Self.serviceLines([member], []).filter { !others.contains($0) }
  }

  /// The services' lines in the hosts files, each once.
  static func serviceLines(_ local: [Member], _ remote: [RemoteMember]) -> [String] {
    unique(services(local, remote).flatMap { $0.lines })
  }

  /// Whether hosts files may have lines of services whose containers are not attached: after an ADD or DEL that was killed.
  func hasUnsettledServices(except owner: AttachmentID) throws(KernelError) -> Bool {
    if try remoteRecord()?.isSettled == false { return true }
    return try members().contains { $0.isIncomplete && $0.owner != owner && !$0.services.isEmpty }
  }

  private static func services(_ local: [Member], _ remote: [RemoteMember]) -> [NamedAddresses] {
    local.flatMap { $0.services } + remote.flatMap { $0.services }
  }

  private static func unique(_ lines: [String]) -> [String] {
    var seen: Set<String> = []
    return lines.filter { seen.insert($0).inserted }
  }
}

/// A name server on the host reads the names of all services from one file. dnsmasq keeps one of two equal lines, and
/// forgets it with the file that had it.
extension NetworkNames {
  /// Writes the services of `local` and `remote` to the name server's file.
  ///
  /// Without any service, or without an attachment that uses this name server, the file is removed.
  func writeServices(
    of local: [Member], _ remote: [RemoteMember], at target: NameServerTarget
  ) throws(KernelError) {
    let users = local.filter { $0.server == target }
    let lines = users.isEmpty ? [] : Self.unique(Self.services(users, remote).flatMap { $0.serverLines })
    let files = ServerFiles(services: lines, of: network, at: target, in: state, warn: warn)
    try willChange("write services to \(files.path)")
    if lines.isEmpty { try files.remove() } else { try files.write() }
  }

  /// Writes the services of all attachments except `leaving`, if `member` has any.
  func updateServices(_ member: Member, except leaving: AttachmentID? = nil) throws(KernelError) {
    guard !member.services.isEmpty, let target = member.server else { return }
    let local = try members().filter { $0.owner != leaving }
    try writeServices(of: local, try remoteRecord()?.members ?? [], at: target)
  }

  /// Which lines of the attachment's services the name server's file lacks.
  func missingServices(_ member: Member) throws(KernelError) -> [String] {
    let lines = member.services.flatMap { $0.serverLines }
    guard !lines.isEmpty, let target = member.server else { return [] }
    return try ServerFiles(services: lines, of: network, at: target, in: state, warn: warn).missingLines()
  }
}
