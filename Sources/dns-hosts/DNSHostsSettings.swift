import CNI
import Names
import NetTypes
import PacketFilter
import PluginKit

/// The configuration with every value checked.
struct DNSHostsSettings: Equatable {
  var owner: AttachmentID
  /// All names of the container on the network.
  var names: [HostName]
  /// The services of which the container is a back-end and whose names lead to their virtual addresses.
  private var services: [NamedAddresses] = []
  private var domain: HostName?
  /// The name server that answers for the names too; `nil` for a network without one.
  var server: ServerSettings?
  /// The container's hosts file; `nil` for a network without hosts files.
  var path: ContainerPath?
  /// The content of the container's `resolv.conf` and `hostname`.
  var texts: TextSettings
  private var hostname: HostName?
  private var extraHosts: [ExtraHost]
  private var links: [LinkAlias]
  private var leftOut: Int
  private var linksLeftOut: Int
  /// The length of the container's name if it is too long for a line of a hosts file.
  private var longNameByteCount: Int?

  /// The limit for aliases, because each one is a line in every other container's file.
  static let maximumAliasCount = 100

  /// - Throws: code 7 for a value that is not valid, code 4 for one in `CNI_ARGS`.
  init(_ call: Call<DNSHostsConfig>) throws(CNIError) {
    owner = call.owner
    let aliases = call.config.aliases.names(on: owner.network)
    guard aliases.count <= Self.maximumAliasCount else {
      throw CNIError(.invalidNetworkConfig, "\(aliases.count) aliases: want at most \(Self.maximumAliasCount)")
    }
    var given = call.keys.containerName(try call.arguments())
    if let count = given?.utf8.count, count > HostName.maximumByteCount { (given, longNameByteCount) = (nil, count) }
    let name = try Self.name(given, of: owner.container, try call.arguments())
    links = call.config.links
    leftOut = call.config.aliases.leftOut
    linksLeftOut = call.config.linksLeftOut
    domain = call.config.domain
    names = Member.names(name, network: owner.network, domain: domain, aliases: aliases)
    texts = try TextSettings(call)
    let template = call.config.hosts ? call.config.files?.hosts : nil
    path = try template?.path(for: call.owner, namespacePath: call.namespacePath)
    server = call.config.server.map { ServerSettings($0, call.config, of: call.owner.network) }
    hostname = call.config.hostname
    extraHosts = call.config.extraHosts
  }

  /// The attachment with the addresses in `result`.
  func member(_ result: AddResult) -> Member {
    var member = Member(
      owner: owner, addresses: result.addresses(of: owner.interface), names: names, server: server?.target,
      links: path == nil ? [] : links)
    member.services = services
    return member
  }

  /// Adds the name of the service: to the container's own names, or to the names of the virtual address.
  ///
  /// - Throws: code 7 for a service that has the name of each container itself.
  mutating func addService(of backEnd: BackEnd) throws(CNIError) {
    guard let name = HostName(backEnd.service), !name.isReserved else {
      throw CNIError(
        .invalidNetworkConfig, "service \"\(backEnd.service)\": want \(HostName.expectedForm), not localhost")
    }
    let names = Member.names(name, network: owner.network, domain: domain, aliases: [])
    switch backEnd.resolve {
    case .members:
      // Without a share of the connections it is not among the addresses either.
      if backEnd.weight > 0 { self.names += names.filter { !self.names.contains($0) } }
    case .vip:
      guard let address = backEnd.address else { return }
      guard let index = services.firstIndex(where: { $0.names == names }) else {
        return services.append(NamedAddresses(names, [address]))
      }
      if !services[index].addresses.contains(address) { services[index].addresses.append(address) }
    }
  }

  /// Warnings about names that cannot be looked up.
  var notes: [String] {
    var notes = names.filter { !$0.fitsDNS }.map { "name \"\($0)\": too long for the DNS: only hosts files have it" }
    if let count = longNameByteCount {
      notes.append("container name of \(count) bytes left out: want at most \(HostName.maximumByteCount) bytes")
    }
    if leftOut > 0 { notes.append("aliases: \(leftOut) left out: want at most \(HostName.maximumByteCount) bytes") }
    if linksLeftOut > 0 {
      notes.append("links: aliases of \(linksLeftOut) left out: want at most \(HostName.maximumByteCount) bytes")
    }
    if path == nil {
      notes += links.map {
        "link \"\($0.container)\": alias \"\($0.alias)\": left out: it needs a hosts file, and the configuration names none"
      }
    }
    return notes
  }

  /// The content of `resolv.conf` and `hostname` with those servers first.
  func texts(asking servers: [IPAddress]) -> TextSettings {
    var texts = texts
    texts.nameservers = servers
    texts.searchDomain = servers.isEmpty ? nil : server?.domain.flatMap { SearchDomain($0.description) }
    return texts
  }

  func hostsFileRequest(for member: Member) -> HostsFileRequest? {
    path.map { path in
      HostsFileRequest(
        path, ownLines: OwnLines.own(member.addresses, hostname: hostname, owner.container),
        extraLines: extraHosts.map { $0.line })
    }
  }

  /// The name from the runtime, else Nomad's job and group name, else the container's short ID.
  private static func name(
    _ given: String?, of container: ContainerID, _ arguments: CNIArguments
  ) throws(CNIError) -> HostName {
    if let text = given {
      guard let name = HostName(text), !name.isReserved else {
        throw CNIError(
          .invalidNetworkConfig, "container name \"\(text)\": want \(HostName.expectedForm), not localhost")
      }
      return name
    }
    // A job ID need not be a valid host name; then the next source is used.
    if let job = arguments["NOMAD_JOB_ID"], let group = arguments["NOMAD_GROUP_NAME"],
      let name = HostName("\(job)-\(group)")
    {
      return name
    }
    guard let name = OwnLines.fallbackName(container) else {
      throw CNIError(
        .invalidNetworkConfig, "container \(container): its ID is not a host name: want a name in args.cni.name")
    }
    return name
  }
}

extension AddResult {
  /// The addresses of that interface in the container, and those without an `interface` index.
  fileprivate func addresses(of name: InterfaceName) -> [IPAddress] {
    var seen: Set<IPAddress> = []
    return own(name).map { $0.address.address }.filter { seen.insert($0).inserted }
  }

  /// The gateways of the interface, without link-local ones (an IPv6 one would need a zone in `resolv.conf`).
  func gateways(of name: InterfaceName) -> [IPAddress] {
    var seen: Set<IPAddress> = []
    return own(name).compactMap { $0.gateway }.filter { !$0.isLinkLocal && seen.insert($0).inserted }
  }

  private func own(_ name: InterfaceName) -> [AddResult.IP] {
    let named = interfaces.indices.filter { interfaces[$0].name == name.description }
    let inside = named.filter { interfaces[$0].sandbox?.isEmpty == false }
    let own = inside.isEmpty ? named : inside
    return ips.filter { $0.interface.map(own.contains) ?? true }
  }
}
