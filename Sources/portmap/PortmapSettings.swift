import CNI
import NetTypes
import PacketFilter

/// The configuration with every value checked.
struct PortmapSettings: Equatable {
  /// `nil` for the host's packet filter.
  var backend: Backend?
  var mappings: [Mapping]
  var floatingIPs: [RequestedFloat]
  /// Whether packets to published ports from the container's own network and from the host are masqueraded.
  var masquerades: Bool
  var masqueradesAll: Bool
  var marking: ReturnPath.Marking
  var conditions: [IPFamily: [String]]
  var chain: String?
  var excludedDevices: [InterfaceName]
  /// The range for chosen host ports; `nil` for the ports outside `ip_local_port_range`.
  var portRange: PortRange?
  var allowsBound: Bool

  /// Whether there is nothing to publish.
  var isEmpty: Bool { mappings.isEmpty && floatingIPs.isEmpty }

  /// - Throws: code 7 for a value that is not valid, or two that exclude each other.
  init(_ config: PortmapConfig) throws(CNIError) {
    backend = try Self.backend(of: config)
    masquerades = config.snat ?? true
    masqueradesAll = config.masqAll ?? false
    guard masquerades || !masqueradesAll else {
      throw CNIError(.invalidNetworkConfig, "keys \"masqAll\": true and \"snat\": false: want one of them, not both")
    }
    marking = try Self.marking(config)
    conditions = [.v4: config.conditionsV4?.words ?? [], .v6: config.conditionsV6?.words ?? []]
    chain = config.chain?.description
    excludedDevices = config.excludeDevices ?? []
    portRange = config.hostPortRange
    allowsBound = config.allowBound ?? false
    floatingIPs = config.floatingIPs
    mappings = Self.mappings(config)
    try checkDuplicates()
  }

  /// The mappings of the runtime, and with `publishAll` one for each exposed port that these do not have.
  private static func mappings(_ config: PortmapConfig) -> [Mapping] {
    var mappings = config.mappings
    if config.publishAll == true {
      for exposed in config.exposedPorts
      where !mappings.contains(where: { $0.containerPort == exposed.port && $0.transport == exposed.transport }) {
        mappings.append(
          Mapping(transport: exposed.transport, containerPort: exposed.port, configKey: exposed.configKey))
      }
    }
    for index in mappings.indices where mappings[index].hostIP == nil { mappings[index].hostIP = config.defaultHostIP }
    return mappings
  }

  private func checkDuplicates() throws(CNIError) {
    struct Key: Hashable {
      var transport: TransportProtocol
      var port: UInt16
    }
    var seen: [Key: [Mapping]] = [:]
    for mapping in mappings {
      guard let port = mapping.hostPort else { continue }
      let key = Key(transport: mapping.transport, port: port)
      if let other = seen[key, default: []].first(where: mapping.overlaps) {
        throw CNIError(
          .invalidNetworkConfig,
          "key \"\(mapping.configKey)\": host port \(port)/\(mapping.transport) twice, with \"\(other.configKey)\": "
            + "want each host port once")
      }
      seen[key, default: []].append(mapping)
    }
    for (index, float) in floatingIPs.enumerated()
    where floatingIPs[..<index].contains(where: { $0.address == float.address }) {
      throw CNIError(
        .invalidNetworkConfig, "key \"\(float.configKey)\": \(float.address) twice: want each address once")
    }
  }

  // MARK: backend

  /// The backend of the key `backend`, else the one whose syntax another key uses.
  ///
  /// - Throws: code 7 if keys need different backends.
  static func backend(of config: PortmapConfig) throws(CNIError) -> Backend? {
    var chosen = config.backend
    var reason = "backend"
    let hints = [
      ("conditionsV4", config.conditionsV4?.style), ("conditionsV6", config.conditionsV6?.style),
      ("externalSetMarkChain", config.externalSetMarkChain == nil ? nil : Backend.iptables),
    ]
    for (key, style) in hints {
      guard let style else { continue }
      guard chosen == nil || chosen == style else {
        throw CNIError(
          .invalidNetworkConfig,
          "keys \"\(reason)\" and \"\(key)\": \(chosen?.description ?? "") and \(style): want one backend for both")
      }
      if chosen == nil { reason = key }
      chosen = style
    }
    return chosen
  }

  private static func marking(_ config: PortmapConfig) throws(CNIError) -> ReturnPath.Marking {
    if let chain = config.externalSetMarkChain {
      guard config.markMasqBit == nil else {
        throw CNIError(
          .invalidNetworkConfig, "keys \"markMasqBit\" and \"externalSetMarkChain\": want one of them, not both")
      }
      return .chain(chain.description)
    }
    guard let bit = config.markMasqBit else { return .none }
    guard KeyRange.markBit.contains(bit) else {
      throw CNIError(.invalidNetworkConfig, "key \"markMasqBit\": \(bit): want 0 to 31")
    }
    return .bit(bit)
  }
}

extension Mapping {
  /// Whether the two mappings cannot be published on the same port together.
  fileprivate func overlaps(_ other: Mapping) -> Bool {
    if let family, let otherFamily = other.family, family != otherFamily { return false }
    return boundAddress == nil || other.boundAddress == nil || boundAddress == other.boundAddress
  }
}
