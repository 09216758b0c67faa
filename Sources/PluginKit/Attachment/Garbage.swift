public import CNI
public import Kernel
public import NetTypes

extension Kernel where Self: ~Copyable {
  /// The host ends of attachments to `network` that are not in `valid`.
  public mutating func staleHostInterfaces(
    of network: NetworkName, kind: String, valid: Set<AttachmentID>
  ) throws(KernelError) -> [LinkInfo] {
    let kept = Set(valid.map { $0.hostInterface })
    return try links(kind: kind, master: nil, on: .host).filter {
      $0.isHostInterface(of: network) && !kept.contains($0.name)
    }
  }
}

extension Kernel where Self: ~Copyable {
  /// The change for DEL that removes the host end of a veth pair; empty if its alias is another attachment's.
  ///
  /// The name contains a hash, so two attachments may have the same name.
  public mutating func hostInterfaceRemoval(of owner: AttachmentID) throws(KernelError) -> [Change] {
    let alias = try link(owner.hostInterface, on: .host)?.alias ?? owner.tag
    return alias.hasPrefix(AttachmentID.tagPrefix) && alias != owner.tag
      ? [] : [.deleteLink(owner.hostInterface, on: .host)]
  }
}

extension LinkInfo {
  /// Text for messages: "a macvlan link", "a link that is not a bridge".
  public var kindDescription: String { kind.map { "a \($0) link" } ?? "a link that is not a bridge" }
}
