import Glibc
public import NetTypes

extension NetworkNames {
  /// Writes the attachment's names to the file that the network's name server reads; call `join` first.
  ///
  /// - Throws: the error; `leave` undoes what was done.
  public func publish(_ member: Member) throws(KernelError) {
    guard let files = ServerFiles(member, in: state, warn: warn) else { return }
    try willChange("write \(files.path)")
    try files.write()
  }

  /// Removes the attachment's names from the name server's file.
  func withdraw(_ member: Member) throws(KernelError) {
    guard let files = ServerFiles(member, in: state, warn: warn) else { return }
    try files.remove()
  }

  /// How the attachment's entries in the name server's file differ from those that ADD would write.
  func serverDifferences(_ member: Member, from wanted: Member) throws(KernelError) -> [String] {
    guard member.server == wanted.server else { return ["its names are told by another name server's files"] }
    return try ServerFiles(member, in: state, warn: warn)?.differences() ?? []
  }
}
