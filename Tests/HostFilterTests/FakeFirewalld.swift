import NetTypes
import PacketFilter
import Synchronization

/// A firewalld in memory.
final class FakeFirewalld: FirewalldClient {
  struct State {
    var bound: Set<ZoneSource> = []
    var runs = true
    var refused: ZoneSource?
    /// Whether the permanent configuration is read-only.
    var isReadOnly = false
  }

  private let state = Mutex(State())

  /// Changes the state.
  func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

  var bound: Set<ZoneSource> { state.withLock { $0.bound } }

  func unavailableReason() -> KernelError? { state.withLock { $0.runs } ? nil : NoFirewalld().unavailableReason() }

  func addSources(_ sources: [ZoneSource]) throws(KernelError) {
    for source in sources {
      if source == state.withLock({ $0.refused }) {
        throw KernelError("add \(source)", errno: .EINVAL, reason: "refused")
      }
      _ = state.withLock { $0.bound.insert(source) }
    }
  }

  func removeSources(_ sources: [ZoneSource]) -> [ZoneSource] {
    state.withLock { state in
      state.bound.subtract(sources)
      return state.isReadOnly ? sources : []
    }
  }

  func missingSources(of sources: [ZoneSource]) -> [ZoneSource] { sources.filter { !bound.contains($0) } }
}
