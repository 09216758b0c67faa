public import NetTypes

/// `cni.dev/valid-attachments`: the attachments that GC must keep.
public struct ValidAttachments: JSONReadable, Equatable, Sendable {
  /// `nil` if the key is absent or `null`: then nothing may be removed; empty means that no attachment is valid.
  public var attachments: Set<Attachment>?

  public init(_ json: JSONReader) throws(CNIError) {
    let listed: [Attachment]? = try json.objects("cni.dev/valid-attachments")
    attachments = listed.map { Set($0) }
  }

  public struct Attachment: JSONReadable, Hashable, Sendable {
    public var containerID: ContainerID
    public var ifname: InterfaceName

    public init(_ json: JSONReader) throws(CNIError) {
      containerID = try json.required("containerID").parsed()
      ifname = try json.required("ifname").parsed()
    }

    public init(containerID: ContainerID, ifname: InterfaceName) {
      self.containerID = containerID
      self.ifname = ifname
    }
  }
}

extension Set<ValidAttachments.Attachment> {
  /// The same attachments with their network.
  public func owners(on network: NetworkName) -> Set<AttachmentID> {
    Set<AttachmentID>(map { AttachmentID(network: network, container: $0.containerID, interface: $0.ifname) })
  }
}
