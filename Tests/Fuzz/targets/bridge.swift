import CNI
@testable import PluginKit
@testable import bridge

/// A configuration of `bridge` gives valid settings, or is refused with a code.
func fuzz(_ bytes: [UInt8]) {
  attempt { () throws(CNIError) in
    let config = try CNIJSON.decode(BridgeConfig.self, from: bytes)
    check(try BridgeSettings(config, RuntimeKeys(), CNIArguments("")))
  }
}

func check(_ settings: BridgeSettings) {
  require(settings.mtu.map(Addressing.mtuRange.contains) ?? true, "mtu \(settings.mtu ?? 0)")
  // Metric 0 would take precedence over all other routes.
  require(settings.defaultMetric ?? 1 > 0, "metric \(settings.defaultMetric ?? 0)")
  require(settings.isGateway || !settings.isDefaultGateway, "a default gateway that is none")
}
