import Kernel
import NetTypes
import PacketFilter

extension FakeKernel {
  /// Applies changes of the packet filter's rules, and of the sysctl that depends on them.
  func changeFilter(_ change: Change) throws(KernelError) {
    switch change {
    case .addRules(let ruleSet): try filter.add(ruleSet)
    case .setRules(let ruleSet): try filter.set(ruleSet)
    case .updateRules(let old, let new): try filter.set(new, after: old)
    case .removeRules(let owner, let role, let everywhere): try filter.remove(owner, role, everywhere: everywhere)
    case .removeReferencePluginRules(let owner, let role, let ips, let zone):
      try filter.removeReferenceRules(of: owner, role, addresses: ips, zone: zone)
    case .removeStaleRules(let network, let role, let valid, let everywhere):
      try filter.collectGarbage(network, role, valid: valid, everywhere: everywhere)
    case .enableRouteLocalnet(let name, _): setRouteLocalnet(name, "1")
    case .disableRouteLocalnet(let name, let owners):
      if try !filter.needsRouteLocalnet(name, except: owners) { setRouteLocalnet(name, "0") }
    default: break
    }
  }

  private func setRouteLocalnet(_ name: InterfaceName, _ value: String) {
    state.sysctls[.host]?[Sysctl.routeLocalnet(name, value).key] = value
  }
}
