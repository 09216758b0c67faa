public import CNI
public import Kernel

/// All that an ADD will do, decided before anything is done.
public struct AttachmentPlan: Equatable, Sendable {
  /// Waited for before the first change, without the host's lock; they change nothing, and the ADD goes on if they fail.
  public var waits: [Change]
  /// What other attachments rely on as well: bridges, their addresses, forwarding.
  ///
  /// Only what is missing is changed.
  public var shared: [Change]
  /// What is this attachment's alone.
  public var own: [Change]
  /// The answer to the runtime.
  public var result: AddResult

  public init(waits: [Change] = [], shared: [Change], own: [Change], result: AddResult) {
    self.waits = waits
    self.shared = shared
    self.own = own
    self.result = result
  }
}
