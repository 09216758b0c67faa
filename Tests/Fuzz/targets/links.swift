import CNI
import NetTypes
@testable import PluginKit
@testable import dummy
@testable import ipvlan
@testable import macvlan
@testable import ptp
@testable import vlan

/// A configuration of a plugin without a bridge gives valid settings, or is refused with a code.
func fuzz(_ bytes: [UInt8]) {
  attempt { () throws(CNIError) in try checkChildLink(CNIJSON.decode(MacvlanConfig.self, from: bytes)) }
  attempt { () throws(CNIError) in try checkChildLink(CNIJSON.decode(IPVLANConfig.self, from: bytes)) }
  attempt { () throws(CNIError) in try checkChildLink(CNIJSON.decode(VLANConfig.self, from: bytes)) }
  attempt { () throws(CNIError) in
    let config = try CNIJSON.decode(DummyConfig.self, from: bytes)
    checkMetric(try DummyDriver().settings(config, RuntimeKeys(), CNIArguments("")).defaultMetric)
  }
  attempt { () throws(CNIError) in
    let settings = try PTPSettings(CNIJSON.decode(PTPConfig.self, from: bytes), RuntimeKeys(), CNIArguments(""))
    checkMetric(settings.defaultMetric)
    checkMTU(settings.mtu)
    require(settings.peer?.hasPrefix("/") ?? true, "a peer's namespace without a path: \(settings.peer ?? "")")
    require(settings.peer == nil || settings.masquerading == nil, "masquerading with peer")
    require(settings.peer != nil || settings.peerInterface == nil, "peerIfName without peer")
  }
}

func checkChildLink(_ config: some ChildLinkConfig) throws(CNIError) {
  let settings = try ChildLinkSettings(config, RuntimeKeys(), CNIArguments(""))
  checkMetric(settings.defaultMetric)
  checkMTU(settings.mtu)
  switch settings.childLink {
  case .vlan(let id): require((0...4094).contains(id), "VLAN \(id)")
  case .macvlan(let macvlan):
    require(macvlan.broadcastQueue ?? 1 > 0, "a queue for \(macvlan.broadcastQueue ?? 0)")
    if case .source(let allowed) = macvlan.mode { require(!allowed.isEmpty, "mode source without allowed addresses") }
  case .ipvlan: require(settings.macSource == .parent, "an ipvlan link with its own MAC address")
  }
}

func checkMTU(_ mtu: Int?) { require(mtu.map(Addressing.mtuRange.contains) ?? true, "mtu \(mtu ?? 0)") }

/// Metric 0 would take precedence over all other routes.
func checkMetric(_ metric: Int?) { require(metric ?? 1 > 0, "metric \(metric ?? 0)") }
