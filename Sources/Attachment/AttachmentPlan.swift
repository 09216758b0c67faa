public import CNI
public import Kernel

/// All that an ADD will do, decided before anything is done.
public struct AttachmentPlan: Equatable, Sendable {
  /// What other attachments rely on as well: bridges, their addresses, forwarding.
  ///
  /// Only what is missing is changed.
  public var shared: [Change]
  /// What is this attachment's alone.
  public var own: [Change]
  /// The answer to the runtime.
  public var result: AddResult

  public init(shared: [Change], own: [Change], result: AddResult) {
    self.shared = shared
    self.own = own
    self.result = result
  }
}
