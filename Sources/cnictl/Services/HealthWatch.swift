import CNI
import Linux
import NetTypes
import PacketFilter

/// Probes the members of services at their intervals until it is stopped.
///
/// The state is in the ruleset, so it can be stopped and started at any time.
struct HealthWatch {
  /// Names of services; empty: all.
  let services: [String]
  private var keeper = HealthKeeper(decidesAtOnce: false)
  private var probes = HealthProbes()
  private var targets: [HealthTarget: [ServiceMember]] = [:]
  /// When each target's next probe begins.
  private var due: [HealthTarget: Clock] = [:]
  private var lastError: String?

  init(services: [String]) { self.services = services }

  mutating func run() throws(CNIError) {
    TerminationSignals.exitCleanly()
    while true {
      do throws(CNIError) {
        try round(until: Clock.now.advanced(bySeconds: 1))
        lastError = nil
      } catch {
        if lastError != error.message { warn("\(error)") }
        lastError = error.message
        Clock.sleep(milliseconds: 1000)
      }
    }
  }

  /// Reads the records, begins the probes that are due, and carries out what finished ones say.
  private mutating func round(until end: Clock) throws(CNIError) {
    // A service may have no member now and one later.
    targets = try HealthTarget.all([]).filter { services.isEmpty || services.contains($0.key.service) }
    keeper.forget(except: targets.keys)
    due = due.filter { targets[$0.key] != nil }
    for target in targets.keys where due[target, default: Clock.now] <= Clock.now && !probes.has(target) {
      due[target] = Clock.now.advanced(bySeconds: target.check.interval)
      probes.start(target)
    }
    repeat {
      let results: [(target: HealthTarget, fault: String?)]
      do throws(KernelError) { results = try probes.proceed(until: end) } catch { throw CNIError(error) }
      try carryOut(results)
    } while Clock.now < end
  }

  private mutating func carryOut(_ results: [(target: HealthTarget, fault: String?)]) throws(CNIError) {
    var out: [ServiceMember] = [], taken: [ServiceMember] = []
    for result in results {
      let members = targets[result.target] ?? []
      switch keeper.verdict(result.target, isHealthy: result.fault == nil) {
      case true?: taken += members
      case false?: out += members
      case nil: break
      }
    }
    guard !out.isEmpty || !taken.isEmpty else { return }
    let changed = try HealthKeeper.change(out: out, in: taken)
    for result in results where changed.contains(result.target) {
      warn("\(result.target.text): \(result.fault.map { "out: \($0)" } ?? "in")")
    }
  }
}
