import ArgumentParser
import CNI
import HostFilter
import Linux
import NetTypes
import PacketFilter

extension ServiceCommand {
  struct CheckMembers: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "check", abstract: "Probe the members of services; take out those that fail, and in again.",
      discussion: """
        Probes every member whose configuration has the key health, from this host, all at the same time. One that \
        fails gets no new connections; its open TCP connections stay. Prints a line for each change, and for each \
        member that stays out. Without arguments for every service.

        With --watch it runs until it is stopped, and probes each service at its interval. A member is taken out after \
        as many failures in a row as its key fall says, and in again after as many successes as rise says. The systemd \
        unit for it is swift-cni-service-check.service.

        Exit status without --watch: 1 if a member is out.
        """)

    @OptionGroup var common: CommonOptions
    @Flag(help: "Keep running and probe at each service's interval.") var watch = false
    @Argument(help: "Names of services.", completion: serviceNames) var services: [String] = []

    func validate() throws {
      guard !watch || !common.json else { throw ValidationError("--json: want it without --watch") }
    }

    func run() throws {
      var isAnyOut = false
      try common.report { () throws(CNIError) in
        guard !watch else {
          var watch = HealthWatch(services: services)
          return try watch.run()
        }
        let results = try checkOnce()
        isAnyOut = results.contains { $0.fault != nil }
        guard !common.json else { return try common.printJSON(.array(results.map(\.json))) }
        for result in results { if let line = result.line { print(line) } }
      }
      if isAnyOut { throw ExitCode.failure }
    }

    private func checkOnce() throws(CNIError) -> [HealthResult] {
      let targets = try HealthTarget.all(services)
      var probes = HealthProbes(), results: [HealthResult] = []
      for target in targets.keys { probes.start(target) }
      while !probes.isIdle {
        do throws(KernelError) {
          results += try probes.proceed(until: Clock.now.advanced(bySeconds: 60)).map(HealthResult.init)
        } catch { throw CNIError(error) }
      }
      let members = { (isHealthy: Bool) in
        results.filter { ($0.fault == nil) == isHealthy }.flatMap { targets[$0.target] ?? [] }
      }
      let changed = try HealthKeeper.change(out: members(false), in: members(true))
      for index in results.indices {
        let target = results[index].target
        results[index].isChanged = changed.contains(target)
        results[index].isMissing = try HealthKeeper.areMissing(targets[target] ?? [])
      }
      return results.sorted { $0.target.text < $1.target.text }
    }
  }
}

struct HealthResult {
  var target: HealthTarget
  var fault: String?
  /// Whether the member was taken out or in.
  var isChanged = false
  /// Whether the ruleset lacks the member.
  var isMissing = false

  init(target: HealthTarget, fault: String?) {
    self.target = target
    self.fault = fault
  }

  /// `nil` for a member that stays in.
  var line: String? {
    guard let fault else { return isChanged ? "\(target.text): in" : nil }
    let state = isChanged ? "out" : isMissing ? "its rules are missing, want cnictl repair" : "still out"
    return "\(target.text): \(state): \(fault)"
  }

  var json: JSONValue {
    .record([
      "service": .string(target.service), "network": .text(target.owner.network),
      "container": .text(target.owner.container), "address": .text(target.address),
      "healthy": .bool(fault == nil), "reason": fault.map { .string($0) }, "changed": .bool(isChanged),
    ])
  }
}
