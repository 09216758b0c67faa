import CNI
import Kernel
import NameDisk
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
  private var given: [IPAddress]

  init(_ server: ServerConfig, _ config: DNSHostsConfig, of network: NetworkName) {
    place = server.place ?? .directory("\(config.stateDir)/\(network)/hostsdir")
    domain = config.domain
    backend = server.backend
    given = server.nameservers
  }

  /// Where that container asks it.
  ///
  /// - Throws: code 7 where nobody says it.
  func nameservers(_ result: AddResult, of owner: Owner) throws(CNIError) -> [IPAddress] {
    let servers = given.isEmpty ? result.gateways(of: owner.interface) : given
    guard !servers.isEmpty else {
      throw CNIError(
        .invalidNetworkConfig,
        "name server of \(owner.interface): it has no gateway: want its address in the key \"nameserver\"")
    }
    return servers
  }
}

/// The host's link that a container's packets come by.
struct ContainerSide: Equatable, Sendable {
  var link: InterfaceName
  /// The host's there.
  var addresses: [IPAddress]
}

extension DNSHosts {
  /// Opens port 53 of those of the servers that are addresses of the container's bridge.
  func open(_ server: ServerSettings, for member: Member, _ nameservers: [IPAddress]) throws(CNIError) {
    let rules = try rules(for: member, nameservers)
    guard !rules.isEmpty else { return try close(member.owner, everywhere: false) }
    try translating { () throws(KernelError) in
      try willChange("open port \(NameService.port)")
      var filter = filter
      try filter.add(Claim(member.owner, .names, rules, backend: server.backend))
    }
  }

  /// How the ports are not as `open` left them.
  func closedPorts(
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
