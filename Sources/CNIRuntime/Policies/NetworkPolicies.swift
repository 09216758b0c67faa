public import CNI
import NetTypes
public import PacketFilter
public import PluginKit

/// What documents of kind NetworkPolicy (networking.k8s.io/v1) allow the containers of one network.
///
/// Documents of one network add up: what one of them allows is allowed.
public struct NetworkPolicies: Equatable, Sendable {
  public var network: NetworkName
  /// `nil`: connections in that direction are not limited.
  public var ingress: Direction?
  public var egress: Direction?

  public struct Direction: Equatable, Sendable {
    public var permissions: [Policy.Permission] = []
    /// Whether an entry names the network's own containers.
    public var namesOwnNetwork = false
    /// Whether all connections between the network's own containers are allowed.
    public var allowsOwnNetwork = false

    mutating func add(_ other: Direction) {
      for permission in other.permissions where !permissions.contains(permission) { permissions.append(permission) }
      namesOwnNetwork = namesOwnNetwork || other.namesOwnNetwork
      allowsOwnNetwork = allowsOwnNetwork || other.allowsOwnNetwork
    }
  }

  /// The policies of the networks that the documents are for, in the documents' order.
  ///
  /// Each document is a NetworkPolicy or a list of them; `null` counts as none. `network` is that of documents without a
  /// namespace.
  ///
  /// - Throws: code 7 with key, value and what is wanted for the first thing that a policy of a network cannot express.
  public static func read(_ documents: [JSONValue], network: NetworkName?) throws(CNIError) -> [NetworkPolicies] {
    var all: [NetworkPolicies] = []
    for (index, document) in documents.enumerated() where document != .null {
      do throws(CNIError) {
        for item in try NetworkPolicyDocument.items(JSONReader(document)) {
          let read = try NetworkPolicyDocument.policies(item, defaultNetwork: network)
          if let index = all.firstIndex(where: { $0.network == read.network }) {
            all[index].add(read)
          } else {
            all.append(read)
          }
        }
      } catch { throw documents.count > 1 ? error.prefixed(with: "document \(index + 1)") : error }
    }
    guard !all.isEmpty else {
      throw CNIError(.invalidNetworkConfig, "no policy: want documents of kind NetworkPolicy")
    }
    return all
  }

  private mutating func add(_ other: NetworkPolicies) {
    ingress = Self.sum(ingress, other.ingress)
    egress = Self.sum(egress, other.egress)
  }

  /// A document that does not limit a direction does not lift another one's limits.
  private static func sum(_ one: Direction?, _ other: Direction?) -> Direction? {
    guard var sum = one, let other else { return one ?? other }
    sum.add(other)
    return sum
  }
}

extension NetworkPolicies {
  private var directions: [Direction] { [ingress, egress].compactMap(\.self) }

  /// The key `policy` of the network.
  ///
  /// - Throws: code 7 if the network `separatesContainers` and an entry should allow them to reach each other: no policy can.
  ///   The same if the policy `limitsInContainer`, where it knows addresses only.
  public func config(separatesContainers: Bool, limitsInContainer: Bool = false) throws(CNIError) -> PolicyConfig {
    guard !limitsInContainer || !directions.contains(where: \.namesOwnNetwork) else {
      throw CNIError(
        .invalidNetworkConfig,
        "network \(network): the rules are in each container's network namespace, which knows only addresses: want ipBlock, no entry for its own containers"
      )
    }
    guard !separatesContainers || !directions.contains(where: \.namesOwnNetwork) else {
      throw CNIError(
        .invalidNetworkConfig,
        "network \(network): its configuration keeps its containers apart, and no policy can name its own network: want no entry for its own containers"
      )
    }
    let all = [Policy.Permission(.anyone)]
    return PolicyConfig(ingress: ingress?.permissions ?? all, egress: egress?.permissions ?? all)
  }

  /// Whether the documents deny connections between containers of the network, which a policy does not limit.
  public var limitsOwnNetwork: Bool { directions.contains { !$0.allowsOwnNetwork } }
}
