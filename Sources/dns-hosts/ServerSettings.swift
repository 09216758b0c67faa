import CNI
import Names
import NetTypes
import PacketFilter
import PluginKit

/// The name server's configuration with defaults filled in.
struct ServerSettings: Equatable {
  var place: NameServerTarget
  /// The search domain, if no other source sets one.
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

  /// The addresses that the container queries; for our own dnsmasq these are candidates.
  ///
  /// - Throws: code 7 if neither the configuration nor a gateway gives the address of the operator's server.
  func nameservers(_ result: AddResult, of owner: AttachmentID) throws(CNIError) -> [IPAddress] {
    let servers = given.isEmpty ? result.gateways(of: owner.interface) : given
    if isOwn { return servers }
    guard !servers.isEmpty else {
      throw CNIError(
        .invalidNetworkConfig,
        "name server of \(owner.interface): it has no gateway: want its address in the key \"nameserver\"")
    }
    return servers
  }

  /// The settings of the network's own dnsmasq, listening on these addresses.
  fileprivate func wish(_ addresses: [IPAddress]) -> OwnServer {
    OwnServer(addresses: addresses, domain: domain, upstreams: upstreams)
  }
}

/// The host's link through which a container's packets arrive.
struct ContainerSide: Equatable, Sendable {
  var link: InterfaceName
  /// The host's addresses on the link.
  var addresses: [IPAddress]
}

extension DNSHosts {
  /// Lets the container query the network's name server; starts our dnsmasq if it does not run.
  ///
  /// - Parameters:
  ///   - server: the name server.
  ///   - member: the container's attachment.
  ///   - names: the network's names, under lock.
  ///   - asked: the addresses to query.
  /// - Returns: the addresses on which it answers; for an operator's server, `asked`.
  /// - Throws: an error of the packet filter or the state directory.
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

  /// How our dnsmasq and the rules for port 53 differ from what ADD left.
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

  /// The ones of `addresses` that the host has on the container's bridge.
  private func onBridge(_ addresses: [IPAddress], for member: Member) throws(CNIError) -> [IPAddress] {
    guard let address = member.addresses.first else { return [] }
    return try translating { () throws(KernelError) in
      guard let netns = try containerSide(address) else { return [] }
      return addresses.filter(netns.addresses.contains)
    }
  }

  /// Allows packets to port 53 of those servers that are addresses of the container's bridge.
  private func open(_ server: ServerSettings, for member: Member, _ nameservers: [IPAddress]) throws(CNIError) {
    let rules = try rules(for: member, nameservers)
    guard !rules.isEmpty else { return try close(member.owner, everywhere: false) }
    try translating { () throws(KernelError) in
      try willChange("open port \(NameService.port)")
      var filter = filter
      try filter.add(RuleSet(member.owner, .names, rules, backend: server.backend))
    }
  }

  /// The rules of `open` that are missing.
  private func closedPorts(
    _ server: ServerSettings, for member: Member, _ nameservers: [IPAddress]
  ) throws(CNIError) -> [String] {
    let ruleSet = RuleSet(member.owner, .names, try rules(for: member, nameservers), backend: server.backend)
    guard !ruleSet.rules.isEmpty else { return [] }
    return try translating { () throws(KernelError) in
      var filter = filter
      return try filter.missing(from: ruleSet).map { "rule missing: \($0)" }
    }
  }

  private func rules(for member: Member, _ nameservers: [IPAddress]) throws(CNIError) -> [Rule] {
    guard let address = member.addresses.first else { return [] }
    return try translating { () throws(KernelError) in
      guard let netns = try containerSide(address) else { return [] }
      return nameservers.filter(netns.addresses.contains).map { .serve(NameService(netns.link, address: $0)) }
    }
  }

  /// Removes the attachment's rules; with `everywhere`, searches the rulesets too if no rules are recorded.
  func close(_ owner: AttachmentID, everywhere: Bool) throws(CNIError) {
    try translating { () throws(KernelError) in
      var filter = filter
      try filter.remove(owner, .names, everywhere: everywhere)
    }
  }
}
