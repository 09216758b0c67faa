import CNI
import CNIRuntime
import HostFilter
import Kernel
import NetTypes
import Overlay
import PacketFilter
import PluginKit

/// Policies of networks that span hosts.
extension PolicyApplier {
  /// The network's part on other hosts; `nil` for a network of one host, and for one that this host does not know.
  func span() throws(KernelError) -> FarNetwork? {
    guard plan.configuration.pluginType == "overlay-vxlan" else { return nil }
    return try HostFilter().farNetwork(plan.network)
  }

  /// Changes who connects through this host to the network's containers on other hosts.
  func applyToOtherHosts() throws(CNIError) {
    guard let span = try convertingErrors({ () throws(KernelError) in try span() }) else { return }
    let names = try OverlayConfig(JSONReader(plan.configuration.plugin)).names(of: plan.network)
    let change = plan.policy.change(for: plan.network, on: [names.bridge], span: span)
    var filter = HostFilter()
    try convertingErrors { () throws(KernelError) in
      switch change {
      case .setRules(let ruleSet): try filter.set(ruleSet)
      case .removeRules(let owner, let role, let everywhere): try filter.remove(owner, role, everywhere: everywhere)
      default: break
      }
    }
  }
}
