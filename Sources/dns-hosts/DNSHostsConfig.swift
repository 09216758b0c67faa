import CNI
import NameDisk
import NameEtcd
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
    let given = json["args"]?["cni"]
    aliases = try Aliases(json["runtimeConfig"]?["aliases"])
    aliases.add(try Aliases(given?["aliases"]))
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

  init() {}

  /// A list, or an object with a list for each network, as podman sends it.
  init(_ json: JSONReader?) throws(CNIError) {
    guard let json else { return }
    if let networks = json.value.object {
      for network in networks.keys.sorted() { byNetwork[network] = try json.parsedList(network) }
    } else {
      for item in try json.elements() { everywhere.append(try item.parsed()) }
    }
  }

  mutating func add(_ other: Aliases) {
    everywhere += other.everywhere
    byNetwork.merge(other.byNetwork, uniquingKeysWith: +)
  }

  func names(on network: NetworkName) -> [HostName] { everywhere + (byNetwork[network.description] ?? []) }
}
