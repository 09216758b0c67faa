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
  func applyToOtherHosts(_ undo: inout UndoList) throws(CNIError) {
    guard let span = try convertingErrors({ () throws(KernelError) in try span() }) else { return }
    let names = try OverlayConfig(JSONReader(plan.configuration.plugin)).names(of: plan.network)
    var ruleSet: RuleSet?
    if case .setRules(let changed)? = plan.policy?.change(for: plan.network, on: [names.bridge], span: span) {
      ruleSet = changed
    }
    _ = try put(ruleSet, .tunnel(of: plan.network), .policies, &undo)
  }
}
