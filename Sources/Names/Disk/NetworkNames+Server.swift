import Glibc
public import NetTypes

extension NetworkNames {
  /// Tells the network's name server what an attachment is called, which `join` has made known.
  ///
  /// - Throws: what failed; `leave` takes back what was done.
  public func publish(_ member: Member) throws(KernelError) {
    guard let files = ServerFiles(member, in: state, warn: warn) else { return }
    try willChange("write \(files.path)")
    try files.write()
  }

  /// Takes that back.
  func withdraw(_ member: Member) throws(KernelError) {
    guard let files = ServerFiles(member, in: state, warn: warn) else { return }
    try files.remove()
  }

  /// How the name server is told something else than ADD would tell it.
  func serverDifferences(_ member: Member, from wanted: Member) throws(KernelError) -> [String] {
    guard member.server == wanted.server else { return ["its names are told by another name server's files"] }
    return try ServerFiles(member, in: state, warn: warn)?.differences() ?? []
  }
}
