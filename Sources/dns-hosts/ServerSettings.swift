import CNI
import Names
import NetTypes
import PacketFilter
import PluginKit

/// The name server's configuration with defaults filled in.
struct ServerSettings: Equatable {
  var target: NameServerTarget
  /// The search domain, if no other source sets one.
  var domain: HostName?
  var backend: Backend?
  /// Whether `dns-hosts` runs it.
  var isOwn: Bool
  private var upstreams: [IPAddress]
  private var given: [IPAddress]

  init(_ server: ServerConfig, _ config: DNSHostsConfig, of network: NetworkName) {
    target = server.target ?? .directory("\(config.stateDir)/\(network)/hostsdir")
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
  fileprivate func dnsmasqSettings(_ addresses: [IPAddress]) -> DnsmasqSettings {
    DnsmasqSettings(addresses: addresses, domain: domain, upstreams: upstreams)
  }
}

/// The host's link through which a container's packets arrive.
struct HostLink: Equatable, Sendable {
  var link: InterfaceName
  /// The host's addresses on the link.
  var addresses: [IPAddress]
}

extension DNSHosts where Store: ~Copyable {
  /// Lets the container query the network's name server; starts our dnsmasq if it does not run.
  ///
  /// - Parameters:
  ///   - server: the name server.
  ///   - member: the container's attachment.
  ///   - names: the network's names, under lock.
  ///   - nameservers: the addresses to query.
  /// - Returns: the addresses on which it answers; for an operator's server, `nameservers`.
  /// - Throws: an error of the packet filter or the state directory.
  func serve(
    _ server: ServerSettings, for member: Member, _ names: borrowing NetworkNames, nameservers: [IPAddress]
  ) throws(CNIError) -> [IPAddress] {
    var usableServers = nameservers
    if server.isOwn {
      let bridgeAddresses = try onBridge(nameservers, for: member)
      if bridgeAddresses.isEmpty {
        let given = nameservers.isEmpty ? "it has none" : nameservers.map { $0.description }.joined(separator: ", ")
        warn("names of network \(member.owner.network): no name server: want a gateway on this host's bridge: \(given)")
        usableServers = []
      } else {
        usableServers = try convertingErrors { () throws(KernelError) in
          try names.startServer(server.dnsmasqSettings(bridgeAddresses), program: dnsmasq())
        }
      }
    }
    try open(server, for: member, usableServers)
    return usableServers
  }

  /// How our dnsmasq and the rules for port 53 differ from what ADD left.
  func differences(
    _ server: ServerSettings, for member: Member, _ names: borrowing NetworkNames, nameservers: [IPAddress]
  ) throws(CNIError) -> [String] {
    var nameservers = nameservers
    var differences: [String] = []
    if server.isOwn {
      nameservers = try onBridge(nameservers, for: member)
      let settings = server.dnsmasqSettings(nameservers)
      if !nameservers.isEmpty {
        differences = try convertingErrors { () throws(KernelError) in try names.differences(from: settings) }
      }
    }
    return try differences + missingRules(server, for: member, nameservers)
  }

  /// The ones of `addresses` that the host has on the container's bridge.
  private func onBridge(_ addresses: [IPAddress], for member: Member) throws(CNIError) -> [IPAddress] {
    guard let address = member.addresses.first else { return [] }
    return try convertingErrors { () throws(KernelError) in
      guard let hostLink = try findHostLink(address) else { return [] }
      return addresses.filter(hostLink.addresses.contains)
    }
  }

  /// Allows packets to port 53 of those servers that are addresses of the container's bridge.
  private func open(_ server: ServerSettings, for member: Member, _ nameservers: [IPAddress]) throws(CNIError) {
    let rules = try rules(for: member, nameservers)
    guard !rules.isEmpty else { return try close(member.owner, everywhere: false) }
    try convertingErrors { () throws(KernelError) in
      try willChange("open port \(NameService.port)")
      var filter = filter
      try filter.add(RuleSet(member.owner, .names, rules, backend: server.backend))
    }
  }

  /// The rules of `open` that are missing.
  private func missingRules(
    _ server: ServerSettings, for member: Member, _ nameservers: [IPAddress]
  ) throws(CNIError) -> [String] {
    let ruleSet = RuleSet(member.owner, .names, try rules(for: member, nameservers), backend: server.backend)
    guard !ruleSet.rules.isEmpty else { return [] }
    return try convertingErrors { () throws(KernelError) in
      var filter = filter
      return try filter.missing(from: ruleSet).map { "rule missing: \($0)" }
    }
  }

  private func rules(for member: Member, _ nameservers: [IPAddress]) throws(CNIError) -> [Rule] {
    guard let address = member.addresses.first else { return [] }
    return try convertingErrors { () throws(KernelError) in
      guard let hostLink = try findHostLink(address) else { return [] }
      return nameservers.filter(hostLink.addresses.contains).map { .serve(NameService(hostLink.link, address: $0)) }
    }
  }

  /// Removes the attachment's rules; with `everywhere`, searches the rulesets too if no rules are recorded.
  func close(_ owner: AttachmentID, everywhere: Bool) throws(CNIError) {
    try convertingErrors { () throws(KernelError) in
      var filter = filter
      try filter.remove(owner, .names, everywhere: everywhere)
    }
  }
}
