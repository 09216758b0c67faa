import CNI
import NetTypes
import PacketFilter
import PluginKit

/// The `firewall` part of a network configuration, as written; absent keys are `nil`.
struct FirewallConfig: ChainConfig {
  /// `iptables`, `nftables`, `firewalld`; some runtimes send an empty text, which counts as absent.
  let backend: String?
  let iptablesAdminChainName: String?
  let firewalldZone: String?
  /// `open`, `same-bridge` or `isolated`.
  let ingressPolicy: String?
  let policy: PolicyConfig?

  init(_ json: JSONReader) throws(CNIError) {
    backend = try json.nonEmptyText("backend")
    iptablesAdminChainName = try json.nonEmptyText("iptablesAdminChainName")
    firewalldZone = try json.nonEmptyText("firewalldZone")
    ingressPolicy = try json.nonEmptyText("ingressPolicy")
    policy = try json.object("policy")
  }
}

/// The configuration with every value checked.
struct FirewallSettings: Equatable {
  /// The sources that may open connections to the containers of a bridge.
  enum IngressPolicy: String, CaseIterable {
    case open
    /// No container of another network of swift-cni.
    case sameBridge = "same-bridge"
    /// As `sameBridge`, and no other container of the same bridge either.
    case isolated
  }

  /// `nil` for the host's packet filter.
  var backend: Backend?
  /// The firewalld zone, and when it gets the container's addresses as sources.
  var zone: FirewalldZone
  /// The iptables chain to which packets jump before our rules; nftables has no such chain.
  var adminChain: String
  var ingressPolicy: IngressPolicy
  var policy: PolicyConfig?
  /// The container's labels.
  var labels: [Label] = []

  static let defaultAdminChain = "CNI-ADMIN"

  /// - Throws: code 2 for a key that the backend does not support, code 7 for other values that are not valid.
  init(_ config: FirewallConfig) throws(CNIError) {
    zone = try FirewalldZone(config)
    backend = try Self.backend(config.backend)
    adminChain = config.iptablesAdminChainName ?? Self.defaultAdminChain
    if let name = config.iptablesAdminChainName {
      guard backend != .nftables, zone.use != .always else {
        throw CNIError(
          .unsupportedField, "key \"iptablesAdminChainName\": \"\(name)\": only the iptables backend has such a chain")
      }
      guard name.isChainName else {
        throw CNIError(
          .invalidNetworkConfig,
          "key \"iptablesAdminChainName\": \"\(name)\": want at most 28 letters, digits, '_', '.' or '-'")
      }
      backend = .iptables
    }
    let text = config.ingressPolicy ?? IngressPolicy.open.rawValue
    guard let policy = IngressPolicy(rawValue: text) else {
      let policies = IngressPolicy.allCases.map { $0.rawValue }.joined(separator: ", ")
      throw CNIError(.invalidNetworkConfig, "key \"ingressPolicy\": \"\(text)\": want one of \(policies)")
    }
    ingressPolicy = policy
    self.policy = config.policy
  }

  /// - Throws: as `init(_:)`.
  init(_ call: Call<FirewallConfig>) throws(CNIError) {
    try self.init(call.config)
    labels = call.keys.memberLabels
    try policy?.check(in: call.owner.network)
  }

  private static func backend(_ text: String?) throws(CNIError) -> Backend? {
    guard let text, text != FirewalldZone.backendName else { return nil }
    guard let backend = Backend(text) else {
      throw CNIError(
        .invalidNetworkConfig, "key \"backend\": \"\(text)\": want iptables, nftables or firewalld")
    }
    return backend
  }
}

extension String {
  /// Whether the iptables command accepts it as a chain name.
  fileprivate var isChainName: Bool {
    utf8.count <= 28 && utf8.first != UInt8(ascii: "-")
      && utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}
