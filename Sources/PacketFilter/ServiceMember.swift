public import CNI

/// A back-end and the attachment that added it.
public struct ServiceMember: Hashable, Sendable {
  public enum State: String, Sendable {
    case isIn = "in"
    /// Without new connections until it is taken in.
    case isOut = "out"
    /// The ruleset lacks it.
    case isMissing = "missing"
  }

  public var owner: AttachmentID
  public var backEnd: BackEnd

  public init(_ owner: AttachmentID, _ backEnd: BackEnd) {
    self.owner = owner
    self.backEnd = backEnd
  }
}
