public import CNI
public import NetTypes

/// The wanted entries of a container's `resolv.conf`, from one source; an empty part is left to weaker sources.
public struct PartialResolvConf: Equatable, Sendable {
  public var nameservers: [IPAddress]
  /// Used only if `search` is empty.
  public var domain: SearchDomain?
  public var search: [SearchDomain]
  public var options: [ResolverOption]

  public init(
    nameservers: [IPAddress] = [], domain: SearchDomain? = nil, search: [SearchDomain] = [],
    options: [ResolverOption] = []
  ) {
    self.nameservers = nameservers
    self.domain = domain
    self.search = search
    self.options = options
  }

  /// Whether at least one part is left to the host's file.
  public var needsHostEntries: Bool { nameservers.isEmpty || hasNoDomain || options.isEmpty }

  var hasNoDomain: Bool { domain == nil && search.isEmpty }

  /// These entries, with the parts that they do not set taken from `fallback`.
  func completed(by fallback: PartialResolvConf) -> PartialResolvConf {
    var all = self
    if nameservers.isEmpty { all.nameservers = fallback.nameservers }
    if hasNoDomain { (all.domain, all.search) = (fallback.domain, fallback.search) }
    if options.isEmpty { all.options = fallback.options }
    return all
  }
}

extension PartialResolvConf {
  /// Reads and checks `dns` of a configuration or a CNI result.
  ///
  /// - Parameters:
  ///   - dns: the texts.
  ///   - key: their configuration key, for messages.
  ///   - notes: gets a line for each server that is left out.
  /// - Throws: code 7 with the key and the value.
  init(_ dns: DNS, key: String, notes: inout [String]) throws(CNIError) {
    self.init()
    for text in dns.nameservers {
      // A zone (`fe80::1%eth0`) names an interface of the host, which the container does not have.
      if Self.hasZone(text) {
        notes.append("\(key): name server \(text) is left out: its zone names no interface of the container")
      } else {
        nameservers.append(try Self.parsed(text, "\(key).nameservers"))
      }
    }
    if let text = dns.domain, !text.isEmpty { domain = try Self.parsed(text, "\(key).domain") }
    for text in dns.search { search.append(try Self.parsed(text, "\(key).search")) }
    for text in dns.options { options.append(try Self.parsed(text, "\(key).options")) }
  }

  private static func parsed<Value: TextCodable>(_ text: String, _ key: String) throws(CNIError) -> Value {
    guard let value = Value(text) else {
      throw CNIError(
        .invalidNetworkConfig, "key \"\(key)\": \(JSONValue.string(text).text): want \(Value.expectedForm)")
    }
    return value
  }

  private static func hasZone(_ text: String) -> Bool {
    guard let percent = text.firstIndex(of: "%") else { return false }
    return IPAddress(String(text[..<percent]))?.family == .v6
  }

  /// The entries of a host's `resolv.conf` that are usable in a container; words that are not valid are left out.
  ///
  /// Servers on the host's loopback addresses are left out: the container cannot reach them.
  public init(host text: String) {
    let dns = DNS(resolvConf: text)
    self.init(
      nameservers: dns.nameservers.compactMap(IPAddress.init).filter { !$0.isLoopback },
      domain: dns.domain.flatMap(SearchDomain.init), search: dns.search.compactMap(SearchDomain.init),
      options: dns.options.compactMap(ResolverOption.init))
  }
}

extension RuntimeKeys {
  /// The attachment's entries: from `runtimeConfig`, then `args.cni`, then the configuration, then `prevResult`.
  ///
  /// Each part comes from the first of these sources that sets it, in the same way as `--dns`, `--dns-search` and
  /// `--dns-option` of Docker and podman each replace one part: the operator's search domain stays if a user sets a
  /// server.
  ///
  /// - Parameters:
  ///   - previous: `dns` of `prevResult`.
  ///   - notes: gets a line for each server that is left out.
  /// - Returns: the entries; empty if no source sets anything.
  /// - Throws: code 7 with the key and the value.
  public func partialResolvConf(previous: DNS, notes: inout [String]) throws(CNIError) -> PartialResolvConf {
    var entries = PartialResolvConf()
    let sources = [
      ("runtimeConfig.dns", runtimeConfig?.dns), ("args.cni.dns", args?.cni?.dns), ("dns", dns),
      ("prevResult.dns", previous),
    ]
    for (key, dns) in sources {
      guard let dns else { continue }
      entries = entries.completed(by: try PartialResolvConf(dns, key: key, notes: &notes))
    }
    return entries
  }
}

extension PartialResolvConf: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      nameservers: try json.parsedList("nameservers") ?? [], domain: try json.parsed("domain"),
      search: try json.parsedList("search") ?? [], options: try json.parsedList("options") ?? [])
  }

  public var json: JSONValue {
    .record([
      "nameservers": .texts(nameservers), "domain": .text(domain), "search": .texts(search), "options": .texts(options),
    ])
  }
}
