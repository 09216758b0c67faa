public import CNI
public import NetTypes

/// What somebody wants to stand in a container's `resolv.conf`; an empty part is left to others.
public struct ResolvConfWish: Equatable, Sendable {
  public var nameservers: [IPAddress]
  /// Counts where `search` is empty.
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

  /// Whether a part is left to the host's file.
  public var leavesSomething: Bool { nameservers.isEmpty || saysNoDomain || options.isEmpty }

  var saysNoDomain: Bool { domain == nil && search.isEmpty }

  /// This wish, and `weaker` for each part that it leaves.
  func completed(by weaker: ResolvConfWish) -> ResolvConfWish {
    var all = self
    if nameservers.isEmpty { all.nameservers = weaker.nameservers }
    if saysNoDomain { (all.domain, all.search) = (weaker.domain, weaker.search) }
    if options.isEmpty { all.options = weaker.options }
    return all
  }
}

extension ResolvConfWish {
  /// Checks what a configuration or result says.
  ///
  /// - Parameters:
  ///   - dns: the texts.
  ///   - key: where they stand, for messages.
  ///   - notes: gets a line for each server that is left out.
  /// - Throws: code 7 naming key and value.
  init(_ dns: DNS, key: String, notes: inout [String]) throws(CNIError) {
    self.init()
    for text in dns.nameservers {
      // A zone is an interface of the host; inside it means nothing or another one.
      if Self.hasZone(text) {
        notes.append("\(key): name server \(text) is left out: its zone is none of the container's")
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
      throw CNIError(.invalidNetworkConfig, "key \"\(key)\": \(JSONValue.string(text).text): want \(Value.wanted)")
    }
    return value
  }

  private static func hasZone(_ text: String) -> Bool {
    guard let percent = text.firstIndex(of: "%") else { return false }
    return IPAddress(String(text[..<percent]))?.family == .v6
  }

  /// What a host's file says of use to others; words that mean nothing in a container or at all are left out.
  ///
  /// The host's loopback addresses are not the container's.
  public init(host text: String) {
    let dns = DNS(resolvConf: text)
    self.init(
      nameservers: dns.nameservers.compactMap(IPAddress.init).filter { !$0.isLoopback },
      domain: dns.domain.flatMap(SearchDomain.init), search: dns.search.compactMap(SearchDomain.init),
      options: dns.options.compactMap(ResolverOption.init))
  }
}

extension RuntimeKeys {
  /// What this attachment wants: `runtimeConfig`, then `args.cni`, then the configuration, then the plugins before.
  ///
  /// Each part comes from the strongest source that says anything about it, as `--dns`, `--dns-search` and
  /// `--dns-option` of Docker and podman replace one part each: a search domain of the operator's stays where a user
  /// names a server.
  ///
  /// - Parameters:
  ///   - previous: `dns` of the result that came in.
  ///   - notes: gets a line for each server that is left out.
  /// - Returns: the wish; empty where nobody says anything.
  /// - Throws: code 7 naming key and value.
  public func resolvConfWish(previous: DNS, notes: inout [String]) throws(CNIError) -> ResolvConfWish {
    var wish = ResolvConfWish()
    let sources = [
      ("runtimeConfig.dns", runtimeConfig?.dns), ("args.cni.dns", args?.cni?.dns), ("dns", dns),
      ("prevResult.dns", previous),
    ]
    for (key, dns) in sources {
      guard let dns else { continue }
      wish = wish.completed(by: try ResolvConfWish(dns, key: key, notes: &notes))
    }
    return wish
  }
}

extension ResolvConfWish: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      nameservers: try json.parsedList("nameservers") ?? [], domain: try json.parsed("domain"),
      search: try json.parsedList("search") ?? [], options: try json.parsedList("options") ?? [])
  }

  public var json: JSONValue {
    var members: [String: JSONValue] = [:]
    members["nameservers"] = .array(nameservers.map { .string($0.description) })
    members["domain"] = domain.map { .string($0.description) }
    members["search"] = .array(search.map { .string($0.description) })
    members["options"] = .array(options.map { .string($0.description) })
    return .object(members)
  }
}
