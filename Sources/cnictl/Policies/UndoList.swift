import CNI
import CNIRuntime

/// What a command has changed on this host, to be changed back if it cannot be completed.
struct UndoList {
  private var steps: [() throws(CNIError) -> Void] = []

  mutating func add(_ step: @escaping () throws(CNIError) -> Void) { steps.append(step) }

  /// Undoes every step, the newest first, also after an error.
  ///
  /// - Returns: the error with those of the steps in its details.
  func rollBack(after error: CNIError) -> CNIError {
    var error = error
    for step in steps.reversed() {
      do throws(CNIError) { try step() } catch let failure {
        error.details += "\(error.details.isEmpty ? "" : "; ")rollback: \(failure.text)"
      }
    }
    return error
  }
}
