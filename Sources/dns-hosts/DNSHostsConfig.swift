import CNI
import EtcdRecords
import Names
import NetTypes
import PluginKit

/// The keys that `dns-hosts` reads from a configuration.
struct DNSHostsConfig: JSONReadable, Equatable, Sendable {
  /// The directory of the state files.
  var stateDir: String
  /// Whether containers get hosts files; `false` if only a name server has the names.
  var hosts = true
  /// The path templates of the containers' files; `nil` if DEL cannot read them: DEL uses the records instead.
  var files: FileTemplates?
  /// The domain under which each name is written too.
  var domain: HostName?
  /// Further names of the container.
  var aliases = Aliases()
  /// The names that only this container uses for others: `args.cni.links`.
  var links: [LinkAlias] = []
  /// The number of link aliases that are too long for a line of a hosts file.
  private(set) var linksLeftOut = 0
  /// Names that are written only to this container's hosts file.
  var extraHosts: [ExtraHost] = []
  /// The container's hostname; `nil` for its short ID.
  var hostname: HostName?
  /// The name server that answers for the names too; `nil` for a network without one.
  var server: ServerConfig?
  /// How the network's hosts share names; `nil` if they do not.
  var etcd: SharingConfig?
  /// The plugin to delegate to, for runtimes without plugin chains; `nil` in a chain.
  var nestedPlugin: NestedPlugin?

  init(_ json: JSONReader) throws(CNIError) {
    stateDir = try Self.stateDir(json)
    // podman uses this type: it creates the containers' files itself, so only a name server can have the names.
    let isDnsname = json["type"]?.value == .string("dnsname")
    hosts = try json.flag("hosts") ?? !isDnsname
    let templates = try FileTemplates(json)
    files = hosts || !isDnsname ? templates : nil
    domain = try json.parsed("domain")
    server = isDnsname ? try ServerConfig.dnsname(in: json) : try ServerConfig(in: json)
    if isDnsname, domain == nil { domain = try json.parsed("domainName") }
    for key in ["domain", "domainName"] {
      if let domain, let given = json[key], !domain.fitsDNS { throw given.refusal(SearchDomain.expectedForm) }
    }
    let given = json["args"]?["cni"]
    aliases = try Aliases(json["runtimeConfig"]?["aliases"])
    aliases.add(try Aliases(given?["aliases"]))
    for link in try given?["links"]?.elements() ?? [] { try addLink(link) }
    for list in [json["extraHosts"], given?["hosts"]].compactMap({ $0 }) {
      for item in try list.elements() { extraHosts += try ExtraHost.read(item) }
    }
    for source in [json["runtimeConfig"], given].compactMap({ $0 }) where hostname == nil {
      hostname = try source.parsed("hostname")
    }
    etcd = try json.object("etcd")
    nestedPlugin = try NestedPlugin(in: json)
  }

  /// A configuration for DEL with only the keys that can be read: the state directory, etcd and the delegate.
  init(salvaging json: JSONReader) {
    stateDir = (try? Self.stateDir(json)) ?? StatePaths.dnsHosts
    etcd = try? json.object("etcd")
    nestedPlugin = try? NestedPlugin(in: json)
  }

  /// Ignores a link without an alias; counts one whose alias is too long.
  private mutating func addLink(_ json: JSONReader) throws(CNIError) {
    guard let given = json["alias"] else { return }
    guard let alias = try Aliases.name(given) else {
      linksLeftOut += 1
      return
    }
    links.append(LinkAlias(try json.required("container").text(), alias: alias))
  }

  private static func stateDir(_ json: JSONReader) throws(CNIError) -> String {
    guard let member = json["stateDir"], member.value != .string("") else { return StatePaths.dnsHosts }
    let path = try member.text()
    guard path.hasPrefix("/") else { throw member.refusal("an absolute path") }
    return path
  }
}

/// The aliases of a container, for all networks or for one.
struct Aliases: Equatable, Sendable {
  private var everywhere: [HostName] = []
  private var byNetwork: [String: [HostName]] = [:]
  /// The number of aliases that are too long for a line of a hosts file.
  private(set) var leftOut = 0

  /// Reads one alias; `nil` for one that is too long for a line of a hosts file.
  ///
  /// - Throws: code 7 for text that is no valid name, and for a reserved name such as `localhost`.
  static func name(_ json: JSONReader) throws(CNIError) -> HostName? {
    guard try json.text().utf8.count <= HostName.maximumByteCount else { return nil }
    let name: HostName = try json.parsed()
    if name.isReserved { throw json.refusal("a name that is not reserved for loopback or multicast") }
    return name
  }

  private mutating func names(_ json: JSONReader) throws(CNIError) -> [HostName] {
    var names: [HostName] = []
    for item in try json.elements() {
      if let name = try Self.name(item) { names.append(name) } else { leftOut += 1 }
    }
    return names
  }

  init() {}

  /// Reads a list, or an object with a list for each network, as podman sends it.
  init(_ json: JSONReader?) throws(CNIError) {
    guard let json else { return }
    if let networks = json.value.object {
      for network in networks.keys.sorted() {
        if let list = json[network] { byNetwork[network] = try names(list) }
      }
    } else {
      everywhere = try names(json)
    }
  }

  mutating func add(_ other: Aliases) {
    everywhere += other.everywhere
    leftOut += other.leftOut
    for (network, aliases) in other.byNetwork { byNetwork[network, default: []] += aliases }
  }

  func names(on network: NetworkName) -> [HostName] { everywhere + (byNetwork[network.description] ?? []) }
}
