import Linux
import NetTypes

/// Probes that run at the same time.
struct HealthProbes {
  private var running: [(target: HealthTarget, socket: ProbeSocket)] = []
  private var waiting: [HealthTarget] = []

  /// More wait, so that a process with the usual limit of open files can run them.
  private static let limit = 256

  var isIdle: Bool { running.isEmpty && waiting.isEmpty }

  func has(_ target: HealthTarget) -> Bool {
    running.contains { $0.target == target } || waiting.contains(target)
  }

  mutating func start(_ target: HealthTarget) { waiting.append(target) }

  /// Waits until a probe proceeds, or until then.
  ///
  /// - Returns: the targets whose probes are finished, with the reason why they are not healthy.
  mutating func proceed(until: Clock) throws(KernelError) -> [(target: HealthTarget, fault: String?)] {
    var finished: [(target: HealthTarget, fault: String?)] = []
    let next = waiting.prefix(Self.limit - running.count)
    waiting.removeFirst(next.count)
    for target in next {
      do throws(KernelError) { running.append((target, try target.connect())) } catch {
        finished.append((target, error.reason))
      }
    }
    try ProbeSocket.proceed(running.map(\.socket), until: finished.isEmpty ? until : Clock.now)
    for (target, socket) in running {
      if let outcome = socket.outcome { finished.append((target, target.fault(outcome))) }
    }
    running.removeAll { $0.socket.outcome != nil }
    return finished
  }
}
