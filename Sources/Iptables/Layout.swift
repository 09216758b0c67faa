import CNI
import NetTypes
import PacketFilter

/// The chains and rules of the backend `iptables`.
///
/// `nat`, if anything is published, translated or masqueraded:
/// ```
/// PREROUTING, OUTPUT  → CNI-FLOATING   -d EXTERNAL → DNAT
/// PREROUTING, OUTPUT  → CNI-PORTS      local destinations only; [marks], -p P --dport H → DNAT; of two rules for the
///                       same port the first one applies, and the second one after the first is removed
///                       CNI-PORTS → CNI-P-x, or a chain that the configuration names: for ports that need one
/// POSTROUTING         → CNI-OUTBOUND   return paths and floating sources first, then
///                       -s SUBNET → CNI-M-x   RETURN for the subnet and multicast, MASQUERADE
/// ```
/// `filter`, if anything is isolated, admitted, published or served:
/// ```
/// INPUT   → CNI-LOOPBACK   ! -i lo -d 127.0.0.0/8, no replies: DROP   while IPv4 ports are published
/// INPUT   → CNI-NAMES      port 53 by UDP and TCP; -d ADDRESS → CNI-N-x: -i BRIDGE ACCEPT, ! -i lo DROP
/// FORWARD → CNI-ISOLATION  -o LINK, -i LINK → CNI-I-x   one chain for each bridge (with its partner) and role
///           CNI-I-x → CNI-L-x     between the network's own containers: replies, links, DROP
///           CNI-I-x → CNI-ISOLATED   from an isolated network to another isolated one: DROP
/// FORWARD → CNI-FORWARD    the operator's chains, then the admission rules
///           CNI-FORWARD → CNI-A-x   -s SUBNET, -d SUBNET: admission rules of a whole network
/// ```
/// Jumps in `nat` are appended, so that the host's own rules and services have precedence (CVE-2019-9946). Published ports
/// match only packets to the host's own addresses (GHSA-jv3w-x3r3-g6rm), and no packets to loopback addresses that arrive on a
/// link (CVE-2020-8558). Jumps in `filter` are inserted at the top, isolation before admission.
///
/// Rules of one attachment have its tag and its role as comment. For shared chains, each owner has such a rule in
/// `CNI-OWNERS`, a chain that no packet passes: the rule jumps to the shared chain, and so counts its users. An
/// operator's chain is in use while an owner's comment ends with its name, a return path while ports of its subnet are
/// published.
enum Layout {
  static let ports = "CNI-PORTS"
  static let floating = "CNI-FLOATING"
  static let outbound = "CNI-OUTBOUND"
  static let owners = "CNI-OWNERS"
  static let isolation = "CNI-ISOLATION"
  static let isolated = "CNI-ISOLATED"
  static let forward = "CNI-FORWARD"
  static let loopback = "CNI-LOOPBACK"
  static let names = "CNI-NAMES"
  static let masqueradePrefix = "CNI-M-"
  static let portPrefix = "CNI-P-"
  static let isolationPrefix = "CNI-I-"
  static let linksPrefix = "CNI-L-"
  static let servicePrefix = "CNI-N-"
  static let admissionPrefix = "CNI-A-"

  /// Longest name of a chain in bytes (`iptables`; `XT_EXTENSION_MAXNAMELEN` less one).
  static let maximumChainNameLength = 28

  static let adminComment = "CNI firewall plugin admin overrides"
  /// The suffix of the comment of a jump to a chain that existed before: such a chain is not removed.
  static let existingSuffix = ", found"
  /// The prefix of comments that name no owner.
  static let sharedPrefix = "cni: "
  static let publishedComment = "cni: published ports"
  static let returnComment = "cni: return path"
  static let markedComment = "cni: marked"

  private static let chains: Set = [ports, floating, outbound, owners, isolation, isolated, forward, loopback, names]
  private static let prefixes = [
    masqueradePrefix, portPrefix, isolationPrefix, linksPrefix, servicePrefix, admissionPrefix,
  ]
  /// Names that a chain cannot have.
  static let reserved: Set = [
    "ACCEPT", "DROP", "QUEUE", "RETURN", "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING",
  ]

  /// Whether the chain and all its rules are ours.
  static func isOurs(_ chain: String) -> Bool {
    chains.contains(chain) || prefixes.contains { chain.hasPrefix($0) && chain.utf8.count == $0.utf8.count + 13 }
  }

  /// The comment of that attachment's rules; the name of a chain that the rule needs may follow it.
  static func ownerComment(_ tag: String, _ role: PluginRole) -> String { "\(tag) \(role.rawValue)" }

  static func isolationChain(_ bridge: InterfaceName, _ role: PluginRole) -> String {
    isolationPrefix + AttachmentID.shortHash("\(role.rawValue) \(bridge)")
  }

  static func serviceChain(_ address: IPAddress) -> String { servicePrefix + AttachmentID.shortHash("\(address)") }

  static func linksChain(_ bridge: InterfaceName) -> String { linksPrefix + AttachmentID.shortHash("\(bridge)") }
}
