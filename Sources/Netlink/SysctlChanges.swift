import Kernel
import NetTypes
import PacketFilter

extension LiveKernel {
  mutating func setRouteLocalnet(_ change: Change) throws(KernelError) {
    if case .enableRouteLocalnet(let name, _) = change { try set([.routeLocalnet(name, "1")], on: .host) }
    guard case .disableRouteLocalnet(let name, let owners) = change else { return }
    // The lock is held until the rules are removed, so that no ADD at the same time relies on the setting.
    try filter.lock()
    let setting = Sysctl.routeLocalnet(name, "0")
    guard let value = try sysctl(setting.key, on: .host), !setting.matches(value) else { return }
    if try hasPorts(name, except: owners), try filter.needsRouteLocalnet(name, except: owners) { return }
    try set([setting], on: .host)
  }

  func set(_ settings: [Sysctl], on netns: NetNS) throws(KernelError) {
    try enterNamespace(netns) { () throws(KernelError) in
      for setting in settings { try setting.write() }
    }
  }
}
