public import CNI
public import NetTypes

/// The entries of a container's `resolv.conf`.
public struct ResolvConf: Equatable, Sendable {
  public var nameservers: [IPAddress]
  /// `nil` if `search` has a domain, because of `domain` and `search` lines only the last one counts.
  public var domain: SearchDomain?
  public var search: [SearchDomain]
  public var options: [ResolverOption]

  /// The largest number of servers that a resolver uses (MAXNS in resolv.conf(5)).
  static let maximumServers = 3
  /// Current resolvers have no limit for `search` and `options`; these are the limits of Kubernetes.
  static let maximumWords = 32
  static let maximumBytes = 2048

  /// Combines the entries that a container's attachments want with the host's file.
  ///
  /// Each part is the union of the attachments' entries, the oldest attachment first. The host's file is used only for
  /// a part that no attachment sets. The host's servers are not added to those of a network: a resolver asks the next
  /// server only if one does not answer, so a host's server in front would hide the network's names.
  ///
  /// - Parameters:
  ///   - sources: those of the attachments, in the order of their ADDs.
  ///   - host: the entries of the host's file.
  ///   - hasIPv6: whether the container has an IPv6 address as the source for queries to an IPv6 server.
  ///   - notes: gets a line for each entry that is left out.
  public init(_ sources: [PartialResolvConf], host: PartialResolvConf, hasIPv6: Bool, notes: inout [String]) {
    let whole = Self.union(of: sources).completed(by: host)
    let reachable = whole.nameservers.filter { $0.family == .v4 || hasIPv6 }
    for server in whole.nameservers where !reachable.contains(server) {
      notes.append("name server \(server) is left out: the container has no IPv6 address")
    }
    for server in reachable.dropFirst(Self.maximumServers) {
      notes.append("name server \(server) is left out: a resolver asks at most \(Self.maximumServers)")
    }
    nameservers = Array(reachable.prefix(Self.maximumServers))
    // No public server is used by default: it would learn every name that the container looks up.
    if nameservers.isEmpty { notes.append("no name server is configured: resolv.conf has none") }
    search = Self.fitting(whole.search, "search", &notes)
    domain = search.isEmpty ? whole.domain : nil
    options = Self.fitting(whole.options, "options", &notes)
  }

  private static func union(of sources: [PartialResolvConf]) -> PartialResolvConf {
    var all = PartialResolvConf()
    for entries in sources {
      for server in entries.nameservers where !all.nameservers.contains(server) { all.nameservers.append(server) }
      // Several sources become one `search` line, so a `domain` without `search` goes into that list.
      let search = entries.search.isEmpty ? entries.domain.map { [$0] } ?? [] : entries.search
      for domain in search where !all.search.contains(domain) { all.search.append(domain) }
      for option in entries.options where !all.options.contains(where: { $0.name == option.name }) {
        all.options.append(option)
      }
    }
    let domains = sources.compactMap { $0.hasNoDomain ? nil : $0 }
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
  /// The first line of every file that we write.
  public static let header = "# kept by dns-hosts; left alone once it is edited\n"

  /// The file's text.
  public var text: String {
    var lines = nameservers.map { "nameserver \($0)\n" }
    if let domain { lines.append("domain \(domain)\n") }
    if !search.isEmpty { lines.append("search \(search.map { $0.description }.joined(separator: " "))\n") }
    if !options.isEmpty { lines.append("options \(options.map { $0.description }.joined(separator: " "))\n") }
    return Self.header + lines.joined()
  }

  /// The same entries as `dns` of a CNI result.
  public var dns: DNS {
    DNS(
      nameservers: nameservers.map { $0.description }, domain: domain?.description,
      search: search.map { $0.description },
      options: options.map { $0.description })
  }
}
