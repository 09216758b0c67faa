import CNI
import Names
import NetTypes
import PacketFilter

/// The name server on the host that answers for a network's names: the key `dnsmasq` or `coredns`.
struct ServerConfig: Equatable, Sendable {
  /// The file or directory that it reads; `nil` for `hostsdir` in the network's state directory.
  var target: NameServerTarget?
  /// The addresses that containers query; if empty, their gateways.
  var nameservers: [IPAddress] = []
  /// The packet filter that opens its port; `nil` for the host's.
  var backend: Backend?
  /// Whether `dns-hosts` runs it; otherwise the operator runs it.
  var isOwn = false
  /// The upstream servers of our dnsmasq; if empty, the host's.
  var upstreams: [IPAddress] = []

  init() {}

  /// Reads the keys `dnsmasq` and `coredns`; `nil` if the configuration has neither.
  ///
  /// - Parameter json: the whole configuration.
  /// - Throws: code 7 for a value that is not valid, and for both servers at once.
  init?(in json: JSONReader) throws(CNIError) {
    guard let coreDNS = json["coredns"] else {
      guard let dnsmasq = json["dnsmasq"] else { return nil }
      try self.init(dnsmasq: dnsmasq)
      return
    }
    if let dnsmasq = json["dnsmasq"] { throw dnsmasq.refusal("it or \"coredns\", not both") }
    try self.init(common: coreDNS)
    target = .file(try Self.path(try coreDNS.required("hostsfile")), pidFile: nil)
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
      target = try json["hostsdir"].map { (directory) throws(CNIError) in .directory(try Self.path(directory)) }
      return
    }
    if let directory = json["hostsdir"] { throw directory.refusal("it or \"addn-hosts\", not both") }
    target = .file(try Self.path(file), pidFile: try Self.path(try json.required("pidFile")))
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
  /// The server in a configuration of podman's plugin `dnsname`.
  ///
  /// It is a dnsmasq that we run for each network, unless the configuration has the key `dnsmasq` or `coredns`.
  ///
  /// - Throws: code 2 for `multiDomain`, and for `remoteServers` if the operator runs the dnsmasq.
  static func dnsname(in json: JSONReader) throws(CNIError) -> ServerConfig {
    var server = try ServerConfig(in: json) ?? ServerConfig()
    if json["dnsmasq"] == nil, json["coredns"] == nil { server.isOwn = true }
    if try json.flag("multiDomain") ?? false {
      throw CNIError(.unsupportedField, "key \"multiDomain\": true: want one domain, in the key \"domainName\"")
    }
    server.upstreams = try json.parsedList("remoteServers") ?? []
    guard server.isOwn || server.upstreams.isEmpty else {
      throw CNIError(
        .unsupportedField,
        "key \"remoteServers\": the operator runs dnsmasq: want it in the configuration of that dnsmasq")
    }
    return server
  }
}
