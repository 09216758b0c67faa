public import CNI
public import Kernel
public import NetTypes

extension Kernel where Self: ~Copyable {
  /// The host's ends of attachments to `network` that are not in `valid`.
  public mutating func garbageEnds(
    of network: NetworkName, kind: String, valid: Set<Owner>
  ) throws(KernelError) -> [LinkInfo] {
    let kept = Set(valid.map(\.hostInterface))
    return try links(kind: kind, master: nil, on: .host).filter { $0.isEnd(of: network) && !kept.contains($0.name) }
  }
}

extension Kernel where Self: ~Copyable {
  /// What DEL does to the host's end of a pair: nothing to one that another attachment's tag is on.
  ///
  /// Its name is made of a hash, which two attachments may share.
  public mutating func endRemoval(of owner: Owner) throws(KernelError) -> [Change] {
    let alias = try link(owner.hostInterface, on: .host)?.alias ?? owner.tag
    return alias.hasPrefix(Owner.tagPrefix) && alias != owner.tag ? [] : [.deleteLink(owner.hostInterface, on: .host)]
  }
}

extension LinkInfo {
  /// "a macvlan link", "a link that is no bridge".
  public var kindInWords: String { kind.map { "a \($0) link" } ?? "a link that is no bridge" }
}
