import CNI
@testable import bridge

/// A configuration of `bridge` gives valid settings, or is refused with a code.
func fuzz(_ bytes: [UInt8]) {
  do throws(CNIError) {
    let config = try CNIJSON.decode(BridgeConfig.self, from: bytes)
    let settings = try BridgeSettings(config, RuntimeKeys(), CNIArguments(""))
    check(settings)
  } catch {
    let expected: [CNIError.Code] = [.decodingFailure, .invalidNetworkConfig, .unsupportedField]
    require(expected.contains(error.code), "\(error)")
    require(!error.message.isEmpty, "the error has no message")
  }
}

func check(_ settings: BridgeSettings) {
  require(settings.mtu.map(BridgeSettings.mtuRange.contains) ?? true, "mtu \(settings.mtu ?? 0)")
  // Metric 0 would take precedence over all other routes.
  require(settings.defaultMetric ?? 1 > 0, "metric \(settings.defaultMetric ?? 0)")
  require(settings.isGateway || !settings.isDefaultGateway, "a default gateway that is none")
}
