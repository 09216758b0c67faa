import CNI
import Linux
import NetTypes
import PacketFilter

/// The haproxy processes of services with `engine` haproxy: their members are those of the records.
extension HostFilter {
  private var proxyDirectory: String { "\(state)/haproxy" }

  /// The shell lines that start the processes for a rule set.
  func proxyCommands(_ ruleSet: RuleSet) -> [String] {
    Set(ruleSet.proxied.map { $0.service }).sorted().map { proxy($0, of: ruleSet.owner.network).command }
  }

  private func proxy(_ service: String, of network: NetworkName) -> HaproxyProcess {
    HaproxyProcess(service, of: network, in: proxyDirectory)
  }

  /// Makes the processes of a network serve the recorded members; no-op for other rules than those of services.
  ///
  /// - Parameters:
  ///   - network: the network.
  ///   - role: whose rules have been changed.
  ///   - changed: the rule sets whose services may have other members now; `nil`: not known.
  /// - Throws: why a process of these services cannot be started, or one without members cannot be ended.
  func updateProxies(of network: NetworkName, for role: PluginRole, changing changed: [RuleSet]? = nil)
    throws(KernelError)
  {
    guard role == .services else { return }
    let proxied = changed.map { Set($0.flatMap { $0.proxied }.map { $0.service }) }
    let present = try HaproxyProcess.services(of: network, in: proxyDirectory)
    guard !present.isEmpty || proxied?.isEmpty == false else { return }
    let members = try ruleSetFiles.ruleSets(of: network, .services).flatMap { $0.proxied }
    var failure: KernelError?
    for service in present.union(members.map { $0.service }).sorted() {
      let own = members.filter { $0.service == service }
      guard own.isEmpty || proxied?.contains(service) ?? true else { continue }
      do throws(KernelError) { try proxy(service, of: network).update(own) } catch {
        // The cause may be another service's, for instance its certificate.
        if own.isEmpty || proxied != nil { failure = failure ?? error } else { note("\(error)") }
      }
    }
    if let failure { throw failure }
  }

  /// Makes the network's processes serve a rule set that was added; removes it again if one cannot be started.
  mutating func updateProxiesOrRemove(_ ruleSet: RuleSet, in old: RuleSet?) throws(KernelError) {
    let network = ruleSet.owner.network, changed = [old, ruleSet].compactMap { $0 }
    do throws(KernelError) { try updateProxies(of: network, for: ruleSet.role, changing: changed) } catch {
      do throws(KernelError) {
        try removeRecorded(ruleSet)
        try updateProxies(of: network, for: ruleSet.role, changing: changed)
      } catch {}  // the first error is thrown
      throw error
    }
  }

  /// The members that no running haproxy serves.
  func missingFromProxies(_ ruleSet: RuleSet) throws(KernelError) -> [Rule] {
    let members = ruleSet.proxied.map { ServiceMember(ruleSet.owner, $0) }
    return try zip(members, proxyStates(of: members)).filter { $0.1 == .isMissing }.map { .balance($0.0.backEnd) }
  }

  /// Whether the haproxy of each member sends it new connections.
  func proxyStates(of members: [ServiceMember]) throws(KernelError) -> [ServiceMember.State] {
    var known: [String: HaproxyState?] = [:]
    return try members.map { (member) throws(KernelError) in
      let backEnd = member.backEnd, network = member.owner.network, key = "\(network) \(backEnd.service)"
      let state = if let state = known[key] { state } else { try proxy(backEnd.service, of: network).state() }
      known[key] = .some(state)
      guard let server = state?.server(HaproxyConfig.Slot(backEnd), of: backEnd.frontName),
        server.slot.weight == backEnd.weight
      else { return .isMissing }
      return server.isUp ? .isIn : .isOut
    }
  }
}

extension RuleSet {
  /// The back-ends that haproxy serves.
  fileprivate var proxied: [BackEnd] { backEnds.filter { $0.proxy != nil } }
}
