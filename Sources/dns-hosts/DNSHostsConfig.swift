import CNI
import Names
import PluginKit

/// What `dns-hosts` reads of a configuration.
struct DNSHostsConfig: JSONReadable, Equatable, Sendable {
  /// Where the attachments are remembered.
  var stateDir: String
  /// Whether containers get hosts files; `false` where a name server alone tells the names.
  var hosts = true
  /// Where each container's files are; `nil` where DEL could not read it, which knows what was made.
  var files: FileTemplates?
  /// Names are told below this one too.
  var domain: HostName?
  /// What else the container is called.
  var aliases = Aliases()
  /// What the container alone calls others: `args.cni.links`.
  var links: [LinkAlias] = []
  /// How many aliases of links are too long for a line of a hosts file.
  private(set) var linksLeftOut = 0
  /// Names that only the container knows.
  var extraHosts: [ExtraHost] = []
  /// What the container calls itself; `nil`: its short identifier.
  var hostname: HostName?
  /// The name server that tells the names too; `nil` for a network without.
  var server: ServerConfig?
  /// How the network's hosts tell each other names; `nil` where they do not.
  var etcd: EtcdNamesConfig?
  /// For runtimes without chains; `nil` in a chain.
  var inner: InnerPlugin?

  init(_ json: JSONReader) throws(CNIError) {
    stateDir = try Self.stateDir(json)
    // podman calls it so: it makes the containers' files itself, so that only a name server can tell the names.
    let isDnsname = json["type"]?.value == .string("dnsname")
    hosts = try json.flag("hosts") ?? !isDnsname
    files = hosts || !isDnsname ? try FileTemplates(json) : nil
    domain = try json.parsed("domain")
    server = isDnsname ? try ServerConfig.dnsname(in: json) : try ServerConfig(in: json)
    if isDnsname, domain == nil { domain = try json.parsed("domainName") }
    for key in ["domain", "domainName"] {
      if let domain, let given = json[key], !domain.fitsDNS { throw given.refusal(SearchDomain.wanted) }
    }
    let given = json["args"]?["cni"]
    aliases = try Aliases(json["runtimeConfig"]?["aliases"])
    aliases.add(try Aliases(given?["aliases"]))
    for link in try given?["links"]?.elements() ?? [] { try addLink(link) }
    for list in [json["extraHosts"], given?["hosts"]].compactMap(\.self) {
      for item in try list.elements() { extraHosts += try ExtraHost.read(item) }
    }
    for source in [json["runtimeConfig"], given].compactMap(\.self) where hostname == nil {
      hostname = try source.parsed("hostname")
    }
    etcd = try json.object("etcd")
    inner = try InnerPlugin(in: json)
  }

  /// A configuration that says nothing but where things are remembered, and who is to be told.
  init(salvaging json: JSONReader) {
    stateDir = (try? Self.stateDir(json)) ?? StateDirectory.defaultPath
    etcd = try? json.object("etcd")
    inner = try? InnerPlugin(in: json)
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
    guard let member = json["stateDir"], member.value != .string("") else { return StateDirectory.defaultPath }
    let path = try member.text()
    guard path.hasPrefix("/") else { throw member.refusal("an absolute path") }
    return path
  }
}

/// What a container is called besides its name: on every network, or on each its own.
struct Aliases: Equatable, Sendable {
  private var everywhere: [HostName] = []
  private var byNetwork: [String: [HostName]] = [:]
  /// How many are too long for a line of a hosts file.
  private(set) var leftOut = 0

  /// One of them; `nil` for one that is too long for a line of a hosts file.
  ///
  /// - Throws: code 7 for what is no name, and for one that stands for a container itself.
  static func name(_ json: JSONReader) throws(CNIError) -> HostName? {
    guard try json.text().utf8.count <= HostName.maximumByteCount else { return nil }
    let name: HostName = try json.parsed()
    if name.isReserved { throw json.refusal("a name that does not stand for each container itself") }
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

  /// A list, or an object with a list for each network, as podman sends it.
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
    byNetwork.merge(other.byNetwork, uniquingKeysWith: +)
  }

  func names(on network: NetworkName) -> [HostName] { everywhere + (byNetwork[network.description] ?? []) }
}
