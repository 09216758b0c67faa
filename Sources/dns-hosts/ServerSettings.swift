import CNI
import Names
import NetTypes
import PacketFilter
import PluginKit

/// A name server with every value known.
struct ServerSettings: Equatable {
  var place: ServerPlace
  /// Tried behind short names, where nobody else says what is.
  var domain: HostName?
  var backend: Backend?
  /// Whether `dns-hosts` runs it.
  var isOwn: Bool
  private var upstreams: [IPAddress]
  private var given: [IPAddress]

  init(_ server: ServerConfig, _ config: DNSHostsConfig, of network: NetworkName) {
    place = server.place ?? .directory("\(config.stateDir)/\(network)/hostsdir")
    domain = config.domain
    backend = server.backend
    isOwn = server.isOwn
    upstreams = server.upstreams
    given = server.nameservers
  }

  /// Where that container asks it; one of ours where it could.
  ///
  /// - Throws: code 7 if neither the configuration nor a gateway gives the address of the operator's server.
  func nameservers(_ result: AddResult, of owner: Owner) throws(CNIError) -> [IPAddress] {
    let servers = given.isEmpty ? result.gateways(of: owner.interface) : given
    if isOwn { return servers }
    guard !servers.isEmpty else {
      throw CNIError(
        .invalidNetworkConfig,
        "name server of \(owner.interface): it has no gateway: want its address in the key \"nameserver\"")
    }
    return servers
  }

  /// What the network's own dnsmasq is to do, listening on these.
  fileprivate func wish(_ addresses: [IPAddress]) -> OwnServer {
    OwnServer(addresses: addresses, domain: domain, upstreams: upstreams)
  }
}

/// The host's link that a container's packets come by.
struct ContainerSide: Equatable, Sendable {
  var link: InterfaceName
  /// The host's there.
  var addresses: [IPAddress]
}

extension DNSHosts {
  /// Lets the container ask the network's name server; starts one of ours where none runs.
  ///
  /// - Parameters:
  ///   - server: the name server.
  ///   - member: the container's attachment.
  ///   - names: the network's, locked.
  ///   - asked: where it is to be asked.
  /// - Returns: where it answers; for an operator's those same addresses.
  /// - Throws: what the packet filter or the state directory refused.
  func serve(
    _ server: ServerSettings, for member: Member, _ names: borrowing NetworkNames, asked: [IPAddress]
  ) throws(CNIError) -> [IPAddress] {
    var answering = asked
    if server.isOwn {
      let here = try onBridge(asked, for: member)
      if here.isEmpty {
        let given = asked.isEmpty ? "it has none" : asked.map(\.description).joined(separator: ", ")
        warn("names of network \(member.owner.network): no name server: want a gateway on this host's bridge: \(given)")
        answering = []
      } else {
        answering = try translating { () throws(KernelError) in try names.serve(server.wish(here), program: dnsmasq()) }
      }
    }
    try open(server, for: member, answering)
    return answering
  }

  /// How the name server of ours does not answer, and how the ports are closed.
  func differences(
    _ server: ServerSettings, for member: Member, _ names: borrowing NetworkNames, asked: [IPAddress]
  ) throws(CNIError) -> [String] {
    var asked = asked
    var found: [String] = []
    if server.isOwn {
      asked = try onBridge(asked, for: member)
      let wish = server.wish(asked)
      if !asked.isEmpty { found = try translating { () throws(KernelError) in try names.differences(from: wish) } }
    }
    return try found + closedPorts(server, for: member, asked)
  }

  /// Those of the addresses that are the host's on the container's bridge.
  private func onBridge(_ addresses: [IPAddress], for member: Member) throws(CNIError) -> [IPAddress] {
    guard let address = member.addresses.first else { return [] }
    return try translating { () throws(KernelError) in
      guard let side = try containerSide(address) else { return [] }
      return addresses.filter(side.addresses.contains)
    }
  }

  /// Opens port 53 of those of the servers that are addresses of the container's bridge.
  private func open(_ server: ServerSettings, for member: Member, _ nameservers: [IPAddress]) throws(CNIError) {
    let rules = try rules(for: member, nameservers)
    guard !rules.isEmpty else { return try close(member.owner, everywhere: false) }
    try translating { () throws(KernelError) in
      try willChange("open port \(NameService.port)")
      var filter = filter
      try filter.add(Claim(member.owner, .names, rules, backend: server.backend))
    }
  }

  /// How the ports are not as `open` left them.
  private func closedPorts(
    _ server: ServerSettings, for member: Member, _ nameservers: [IPAddress]
  ) throws(CNIError) -> [String] {
    let claim = Claim(member.owner, .names, try rules(for: member, nameservers), backend: server.backend)
    guard !claim.rules.isEmpty else { return [] }
    return try translating { () throws(KernelError) in
      var filter = filter
      return try filter.missing(from: claim).map { "rule missing: \($0)" }
    }
  }

  private func rules(for member: Member, _ nameservers: [IPAddress]) throws(CNIError) -> [Rule] {
    guard let address = member.addresses.first else { return [] }
    return try translating { () throws(KernelError) in
      guard let side = try containerSide(address) else { return [] }
      return nameservers.filter(side.addresses.contains).map { .serve(NameService(side.link, address: $0)) }
    }
  }

  /// Removes the attachment's rules; `everywhere` looks through the rulesets too where nothing is remembered.
  func close(_ owner: Owner, everywhere: Bool) throws(CNIError) {
    try translating { () throws(KernelError) in
      var filter = filter
      try filter.remove(owner, .names, everywhere: everywhere)
    }
  }
}
