public import CNI
public import NetTypes
public import PacketFilter

/// The keys for masquerading, as written; absent keys are `nil`.
public struct MasqueradeConfig: Sendable {
  /// Whether packets of containers to other networks leave with the host's address.
  public let ipMasq: Bool?
  public let ipMasqRandomFully: Bool?
  public let ipMasqBackend: Backend?
  /// The packet filter for all rules of the network.
  public let backend: Backend?

  public init(_ json: JSONReader) throws(CNIError) {
    ipMasq = try json.flag("ipMasq")
    ipMasqRandomFully = try json.flag("ipMasqRandomFully")
    ipMasqBackend = try json.parsed("ipMasqBackend")
    backend = try json.parsed("backend")
  }

  public var isOn: Bool { ipMasq == true }

  /// The backend in either key; `nil` for the host's.
  public var anyBackend: Backend? { backend ?? ipMasqBackend }

  /// The backend for the rules; `nil` for the host's.
  ///
  /// - Throws: code 7 if the two keys differ.
  public func checkedBackend() throws(CNIError) -> Backend? {
    guard let one = backend, let other = ipMasqBackend, one != other else { return anyBackend }
    throw CNIError(
      .invalidNetworkConfig, "keys \"backend\": \"\(one)\" and \"ipMasqBackend\": \"\(other)\": want one backend")
  }
}

/// The masquerading of a network, checked.
public struct Masquerading: Equatable, Sendable {
  /// Whether source ports are random (`random-fully`).
  public var isRandom: Bool

  /// `nil` if packets are not masqueraded.
  ///
  /// - Throws: code 7 for keys that contradict each other.
  public init?(_ config: MasqueradeConfig) throws(CNIError) {
    isRandom = config.ipMasqRandomFully ?? false
    if isRandom, !config.isOn {
      throw CNIError(.invalidNetworkConfig, "key \"ipMasqRandomFully\": true: want \"ipMasq\": true with it")
    }
    guard config.isOn else { return nil }
  }

  /// A rule for each address of a container.
  public func rules(for addresses: [IPPrefix]) -> [Rule] {
    addresses.map { .masquerade(Masquerade($0.address, in: $0.network, isRandom: isRandom)) }
  }
}
