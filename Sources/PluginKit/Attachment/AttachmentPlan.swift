public import CNI
public import Kernel

/// All changes of an ADD, decided before any is made.
public struct AttachmentPlan: Equatable, Sendable {
  /// Conditions to wait for before the first change, without the host lock; ADD continues if a wait fails.
  public var waits: [Change]
  /// Changes that other attachments depend on too: bridges, their addresses, forwarding.
  ///
  /// Only those are made whose result is missing.
  public var shared: [Change]
  /// Changes for this attachment only.
  public var own: [Change]
  /// The CNI result.
  public var result: AddResult

  public init(waits: [Change] = [], shared: [Change], own: [Change], result: AddResult) {
    self.waits = waits
    self.shared = shared
    self.own = own
    self.result = result
  }
}
