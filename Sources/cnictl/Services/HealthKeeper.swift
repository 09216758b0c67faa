import CNI
import HostFilter
import Kernel
import Linux
import NetTypes
import Netlink
import PacketFilter

/// Takes members out of services and in again, as the results of probes say.
struct HealthKeeper {
  /// Whether one probe decides, whatever `fall` and `rise` are.
  var decidesAtOnce: Bool
  /// Results in a row of the same kind.
  private var streaks: [HealthTarget: (isHealthy: Bool, count: Int)] = [:]

  init(decidesAtOnce: Bool) { self.decidesAtOnce = decidesAtOnce }

  mutating func forget(except targets: some Collection<HealthTarget>) {
    let kept = Set(targets)
    streaks = streaks.filter { kept.contains($0.key) }
  }

  /// Whether the target is to be in; `nil`: it stays as it is.
  mutating func verdict(_ target: HealthTarget, isHealthy: Bool) -> Bool? {
    let last = streaks[target]
    let count = last?.isHealthy == isHealthy ? (last?.count ?? 0) + 1 : 1
    streaks[target] = (isHealthy, count)
    let wanted = decidesAtOnce ? 1 : isHealthy ? target.check.rise : target.check.fall
    return count >= wanted ? isHealthy : nil
  }

  static func areMissing(_ members: [ServiceMember]) throws(CNIError) -> Bool {
    do throws(KernelError) { return try HostFilter().states(of: members).allSatisfy { $0 == .isMissing } } catch {
      throw CNIError(error)
    }
  }

  /// Changes the members in one transaction; then no UDP connection leads to those that are out.
  ///
  /// - Returns: the targets whose members were changed.
  static func change(out: [ServiceMember], in taken: [ServiceMember]) throws(CNIError) -> Set<HealthTarget> {
    do throws(KernelError) {
      return try TerminationSignals.deferred { () throws(KernelError) in
        var filter = HostFilter()
        let changed = try filter.setMembers(out: out, in: taken)
        let left = Set(changed.filter(out.contains).compactMap(\.backEnd.trackedConnections))
        if !left.isEmpty {
          var kernel = try LiveKernel.open(containerNamespace: nil)
          try kernel.apply(.deleteConntrackEntries(left))
        }
        return Set(changed.compactMap(HealthTarget.init))
      }
    } catch { throw CNIError(error) }
  }
}
