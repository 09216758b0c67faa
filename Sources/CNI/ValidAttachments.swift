public import NetTypes

/// `cni.dev/valid-attachments`: what GC must leave alone.
public struct ValidAttachments: Decodable, Equatable, Sendable {
  /// `nil` where the key is absent or `null`: then nothing may be removed; empty means that nothing is valid.
  public var attachments: Set<Attachment>?

  enum CodingKeys: String, CodingKey { case attachments = "cni.dev/valid-attachments" }

  public struct Attachment: Decodable, Hashable, Sendable {
    public var containerID: ContainerID
    public var ifname: InterfaceName

    enum CodingKeys: String, CodingKey {
      case containerID = "containerid"
      case ifname
    }

    public init(containerID: ContainerID, ifname: InterfaceName) {
      self.containerID = containerID
      self.ifname = ifname
    }
  }
}
