/// The log of the steps of one call, for `CNI_LOG`.
///
/// A class, as `PlanOutput` is, because the kernel, the delegates and the runner append to the same log.
public final class Journal {
  public struct Step: Equatable, Sendable {
    public var name: String
    public var microseconds: Int
    /// `nil` if it succeeded.
    public var error: String?
  }

  public private(set) var steps: [Step] = []
  /// The microseconds since the call began.
  public var microseconds: Int { clock() }

  private let clock: () -> Int
  private var isInStep = false

  /// - Parameter clock: the microseconds since the call began.
  public init(clock: @escaping () -> Int) { self.clock = clock }

  /// Runs `body` and records its duration and its error; steps within it are not recorded.
  public func step<Value: ~Copyable, Failure: Error & CustomStringConvertible>(
    _ name: @autoclosure () -> String, _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    guard !isInStep else { return try body() }
    let began = clock()
    isInStep = true
    defer { isInStep = false }
    do throws(Failure) {
      let value = try body()
      steps.append(Step(name: name(), microseconds: clock() - began, error: nil))
      return value
    } catch {
      steps.append(Step(name: name(), microseconds: clock() - began, error: "\(error)"))
      throw error
    }
  }
}
