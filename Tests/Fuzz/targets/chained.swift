import CNI
import NetTypes
import PacketFilter
@testable import firewall
@testable import portmap

/// A configuration of `portmap` or `firewall` gives valid settings, or is refused with a code.
func fuzz(_ bytes: [UInt8]) {
  attempt { () throws(CNIError) in checkPorts(try PortmapSettings(CNIJSON.decode(PortmapConfig.self, from: bytes))) }
  attempt { () throws(CNIError) in
    let settings = try FirewallSettings(CNIJSON.decode(FirewallConfig.self, from: bytes))
    require((1...28).contains(settings.adminChain.utf8.count), "chain \(settings.adminChain)")
    require(
      settings.adminChain == FirewallSettings.defaultAdminChain || settings.backend == .iptables,
      "a chain \(settings.adminChain) without iptables")
  }
}

func checkPorts(_ settings: PortmapSettings) {
  require(settings.masquerades || !settings.masqueradesAll, "masqAll without snat")
  for mapping in settings.mappings {
    require(mapping.containerPort > 0 && mapping.hostPort ?? 1 > 0, "port 0 of \(mapping.configKey)")
    require(!(mapping.hostIP?.isMulticast ?? false), "a multicast address in \(mapping.configKey)")
  }
}
