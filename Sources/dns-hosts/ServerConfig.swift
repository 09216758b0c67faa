import CNI
import Names
import NetTypes
import PacketFilter

/// The name server on the host that knows a network's names: the object `dnsmasq` or `coredns`.
struct ServerConfig: Equatable, Sendable {
  /// `nil`: the directory `hostsdir` in the network's own.
  var place: ServerPlace?
  /// Where containers ask it; empty: at their gateways.
  var nameservers: [IPAddress] = []
  /// What opens its port; `nil`: the host's packet filter.
  var backend: Backend?
  /// Whether `dns-hosts` runs it; otherwise the operator does.
  var isOwn = false
  /// The servers that one of ours asks; empty: the host's.
  var upstreams: [IPAddress] = []

  init() {}

  /// `nil` where the configuration has none.
  ///
  /// - Parameter json: the whole configuration.
  /// - Throws: code 7 for a value that cannot be, and for both servers at once.
  init?(in json: JSONReader) throws(CNIError) {
    guard let coreDNS = json["coredns"] else {
      guard let dnsmasq = json["dnsmasq"] else { return nil }
      try self.init(dnsmasq: dnsmasq)
      return
    }
    if let dnsmasq = json["dnsmasq"] { throw dnsmasq.refusal("it or \"coredns\", not both") }
    try self.init(common: coreDNS)
    place = .file(try Self.path(try coreDNS.required("hostsfile")), pidFile: nil)
  }

  private init(dnsmasq json: JSONReader) throws(CNIError) {
    try self.init(common: json)
    isOwn = try json.flag("run") ?? false
    if isOwn {
      for key in ["hostsdir", "addn-hosts", "pidFile", "nameserver"] {
        if let given = json[key] { throw given.refusal("no such key beside \"run\"") }
      }
    }
    guard let file = json["addn-hosts"] else {
      if let given = json["pidFile"] { throw given.refusal("it only with \"addn-hosts\"") }
      place = try json["hostsdir"].map { (directory) throws(CNIError) in .directory(try Self.path(directory)) }
      return
    }
    if let directory = json["hostsdir"] { throw directory.refusal("it or \"addn-hosts\", not both") }
    place = .file(try Self.path(file), pidFile: try Self.path(try json.required("pidFile")))
  }

  private init(common json: JSONReader) throws(CNIError) {
    guard json.value.object != nil else { throw json.refusal("an object") }
    if let given = json["nameserver"] {
      let items = given.value.array == nil ? [given] : try given.elements()
      for item in items { nameservers.append(try item.parsed()) }
      guard !items.isEmpty else { throw given.refusal("an address or several") }
    }
    backend = try json.parsed("backend")
  }

  private static func path(_ json: JSONReader) throws(CNIError) -> String {
    let text = try json.text()
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    guard text.hasPrefix("/"), text.utf8.count <= 3000, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }),
      parts.allSatisfy({ !["", ".", ".."].contains($0) })
    else { throw json.refusal("an absolute path without empty, '.' or '..' components") }
    return text
  }
}

extension ServerConfig {
  /// The server of podman's plugin `dnsname`, a dnsmasq for each network; one that the operator runs where `dnsmasq`
  /// says nothing else.
  ///
  /// - Throws: code 2 for `multiDomain`, and for `remoteServers` of an operator's dnsmasq.
  static func dnsname(in json: JSONReader) throws(CNIError) -> ServerConfig {
    var server = try ServerConfig(in: json) ?? ServerConfig()
    if json["dnsmasq"] == nil, json["coredns"] == nil { server.isOwn = true }
    if try json.flag("multiDomain") ?? false {
      throw CNIError(.unsupportedField, "key \"multiDomain\": true: want one domain, in the key \"domainName\"")
    }
    server.upstreams = try json.parsedList("remoteServers") ?? []
    guard server.isOwn || server.upstreams.isEmpty else {
      throw CNIError(
        .unsupportedField, "key \"remoteServers\": the operator runs dnsmasq: want it in that one's configuration")
    }
    return server
  }
}
