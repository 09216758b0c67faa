import CNI
import Linux
public import NetTypes

extension NetworkNames {
  /// How the record, the files and their lines differ from the state after ADD.
  ///
  /// Reads only the attachment's own hosts file: each attachment's CHECK covers its own. Lines of an attachment whose
  /// ADD is not complete are not expected in it.
  ///
  /// `wanted` is the attachment as ADD would create it now; its hosts file and private lines are not compared.
  public func differences(from wanted: Member, hasHosts: Bool) throws(KernelError) -> [String] {
    guard let member = try state.member(wanted.owner) else { return ["nothing is remembered of the attachment"] }
    var found: [String] = []
    if member.addresses != wanted.addresses {
      found.append("remembered addresses are \(words(member.addresses)), want \(words(wanted.addresses))")
    }
    if member.names != wanted.names {
      found.append("remembered names are \(words(member.names)), want \(words(wanted.names))")
    }
    if member.links != wanted.links { found.append("remembered links are not those wanted") }
    found += try serverDifferences(member, from: wanted)
    found += try remoteDifferences(in: member.hosts)
    guard let own = member.hosts else { return hasHosts ? found + ["there is no hosts file"] : found }
    let peers = try peers(of: wanted.owner)
    return try found
      + missing(member.privateLines + peers.flatMap { $0.lines(for: member) } + member.lines, from: own)
  }

  func missing(_ lines: [String], from identity: KnownFile) throws(KernelError) -> [String] {
    guard let missing = try LiveHosts.missing(lines, from: identity) else {
      return ["\(identity.path) is gone or another file"]
    }
    return missing.map { "\(identity.path) lacks the line \"\($0.replacing("\t", with: " "))\"" }
  }

  private func words(_ values: [some CustomStringConvertible]) -> String {
    values.isEmpty ? "none" : values.map(\.description).joined(separator: ", ")
  }
}

extension StateDirectory {
  /// Checks that state files can be written and removed, for STATUS.
  ///
  /// - Throws: why they cannot.
  public func probe() throws(KernelError) {
    try Files.makeDirectories(path)
    let file = "\(path)/.probe"
    try StateFile.replace(file, with: [])
    try StateFile.remove(file)
  }
}
