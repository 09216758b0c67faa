public import CNI
public import NetTypes

/// What a container's `resolv.conf` says.
public struct ResolvConf: Equatable, Sendable {
  public var nameservers: [IPAddress]
  /// `nil` where `search` has a domain: of the two lines the later would count alone.
  public var domain: SearchDomain?
  public var search: [SearchDomain]
  public var options: [ResolverOption]

  /// As many servers as `resolv.conf(5)` lets a resolver ask: MAXNS.
  static let maximumServers = 3
  /// Resolvers of today have no limit of their own; these are the ones that Kubernetes sets.
  static let maximumWords = 32
  static let maximumBytes = 2048

  /// Puts together what the attachments of one container want.
  ///
  /// Of several attachments each part is the union, the oldest attachment's first. The host's file counts for a part
  /// that none of them says anything about: a resolver asks the next server only where one does not answer, so the
  /// host's before a network's own would hide the network's names.
  ///
  /// - Parameters:
  ///   - wishes: the attachments', in the order they came.
  ///   - host: what the host's file says.
  ///   - hasIPv6: whether the container has an address to ask an IPv6 server from.
  ///   - notes: gets a line for all that is left out.
  public init(_ wishes: [ResolvConfWish], host: ResolvConfWish, hasIPv6: Bool, notes: inout [String]) {
    let whole = Self.union(of: wishes).completed(by: host)
    let reachable = whole.nameservers.filter { $0.family == .v4 || hasIPv6 }
    for server in whole.nameservers where !reachable.contains(server) {
      notes.append("name server \(server) is left out: the container has no IPv6 address")
    }
    for server in reachable.dropFirst(Self.maximumServers) {
      notes.append("name server \(server) is left out: a resolver asks \(Self.maximumServers) at most")
    }
    nameservers = Array(reachable.prefix(Self.maximumServers))
    // Never one that nobody named: a public server would learn every name the container asks for.
    if nameservers.isEmpty { notes.append("no name server is known: resolv.conf names none") }
    search = Self.fitting(whole.search, "search", &notes)
    domain = search.isEmpty ? whole.domain : nil
    options = Self.fitting(whole.options, "options", &notes)
  }

  private static func union(of wishes: [ResolvConfWish]) -> ResolvConfWish {
    var all = ResolvConfWish()
    for wish in wishes {
      for server in wish.nameservers where !all.nameservers.contains(server) { all.nameservers.append(server) }
      // Beside another's list the only domain of one is a domain to search too.
      let search = wish.search.isEmpty ? wish.domain.map { [$0] } ?? [] : wish.search
      for domain in search where !all.search.contains(domain) { all.search.append(domain) }
      for option in wish.options where !all.options.contains(where: { $0.name == option.name }) {
        all.options.append(option)
      }
    }
    let domains = wishes.compactMap { $0.saysNoDomain ? nil : $0 }
    if domains.count == 1, domains[0].search.isEmpty { (all.domain, all.search) = (domains[0].domain, []) }
    return all
  }

  private static func fitting<Word: TextCodable>(_ words: [Word], _ line: String, _ notes: inout [String]) -> [Word] {
    var kept: [Word] = []
    var byteCount = line.utf8.count
    for word in words {
      byteCount += 1 + word.description.utf8.count
      guard kept.count < maximumWords, byteCount <= maximumBytes else {
        notes.append("\(line): \(word) and what follows is left out: \(maximumWords) words or \(maximumBytes) bytes")
        break
      }
      kept.append(word)
    }
    return kept
  }
}

extension ResolvConf {
  /// What every file of ours begins with.
  public static let header = "# kept by dns-hosts; left alone once it is edited\n"

  /// The file.
  public var text: String {
    var lines = nameservers.map { "nameserver \($0)\n" }
    if let domain { lines.append("domain \(domain)\n") }
    if !search.isEmpty { lines.append("search \(search.map(\.description).joined(separator: " "))\n") }
    if !options.isEmpty { lines.append("options \(options.map(\.description).joined(separator: " "))\n") }
    return Self.header + lines.joined()
  }

  /// The same as a result says it.
  public var dns: DNS {
    DNS(
      nameservers: nameservers.map(\.description), domain: domain?.description, search: search.map(\.description),
      options: options.map(\.description))
  }
}
