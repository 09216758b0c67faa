import CNI
import NetTypes
import PacketFilter

/// Where our rules stand.
///
/// `nat`, where something is published, translated or masqueraded:
/// ```
/// PREROUTING, OUTPUT  → CNI-FLOATING   -d EXTERNAL → DNAT
/// PREROUTING, OUTPUT  → CNI-PORTS      local destinations only; [marks], -p P --dport H → DNAT; of two ports that
///                       are the same the first counts, and the second when it is gone
///                       CNI-PORTS → CNI-P-x, a chain of the caller's name: those ports that need one
/// POSTROUTING         → CNI-OUTBOUND   return paths and floating sources first, then
///                       -s SUBNET → CNI-M-x   RETURN for the subnet and multicast, MASQUERADE
/// ```
/// `filter`, where something is isolated, admitted, published or served:
/// ```
/// INPUT   → CNI-LOOPBACK   ! -i lo -d 127.0.0.0/8, no answers: DROP   while IPv4 ports are published
/// INPUT   → CNI-NAMES      port 53 by UDP and TCP; -d ADDRESS → CNI-N-x: -i BRIDGE ACCEPT, ! -i lo DROP
/// FORWARD → CNI-ISOLATION  -o LINK, -i LINK → CNI-I-x   one chain for each bridge, with its partner, and part
///           CNI-I-x → CNI-L-x     between the network's own containers: answers, links, DROP
///           CNI-I-x → CNI-ISOLATED   from an isolated network to another isolated one: DROP
/// FORWARD → CNI-FORWARD    the operators' chains, then what is admitted
///           CNI-FORWARD → CNI-A-x   -s SUBNET, -d SUBNET: what a whole network is admitted for
/// ```
/// Jumps into `nat` are appended: the host's own rules and services go first (CVE-2019-9946), and what is not sent to
/// the host is nobody's published port (GHSA-jv3w-x3r3-g6rm), nor what came by a link for a loopback address
/// (CVE-2020-8558). Those into `filter` are put first, isolation before admission.
///
/// What belongs to one attachment has its tag and its part as comment; what is shared is counted by such rules in
/// `CNI-OWNERS`, a chain that no packet passes: each jumps to what it needs. An operator's chain is needed by those whose
/// comment ends with its name, a return path by the ports of its subnet.
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
  /// Of the jump to a chain that was there before: it stays.
  static let foundSuffix = ", found"
  /// How comments begin that are no owner's.
  static let sharedPrefix = "cni: "
  static let publishedComment = "cni: published ports"
  static let returnComment = "cni: return path"
  static let markedComment = "cni: marked"

  private static let chains: Set = [ports, floating, outbound, owners, isolation, isolated, forward, loopback, names]
  private static let prefixes = [
    masqueradePrefix, portPrefix, isolationPrefix, linksPrefix, servicePrefix, admissionPrefix,
  ]
  /// Names that no chain can be given.
  static let reserved: Set = [
    "ACCEPT", "DROP", "QUEUE", "RETURN", "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING",
  ]

  /// Whether the chain and all its rules are ours.
  static func isOurs(_ chain: String) -> Bool {
    chains.contains(chain) || prefixes.contains { chain.hasPrefix($0) && chain.utf8.count == $0.utf8.count + 13 }
  }

  /// The comment of that attachment's rules; the name of a chain that one of them needs may follow.
  static func mark(_ tag: String, _ part: Part) -> String { "\(tag) \(part.rawValue)" }

  static func isolationChain(_ bridge: InterfaceName, _ part: Part) -> String {
    isolationPrefix + Owner.shortHash("\(part.rawValue) \(bridge)")
  }

  static func serviceChain(_ address: IPAddress) -> String { servicePrefix + Owner.shortHash("\(address)") }

  static func linksChain(_ bridge: InterfaceName) -> String { linksPrefix + Owner.shortHash("\(bridge)") }
}
