import NetTypes

/// A result of any version, as a runtime or another plugin printed it.
///
/// Versions 0.1.0 and 0.2.0 have `ip4` and `ip6`, later ones `interfaces` and `ips`; all are read here.
public struct PrintedResult: JSONReadable, Equatable, Sendable {
  /// `nil` if it is missing.
  public var cniVersion: String?
  public var result: AddResult

  public init(_ json: JSONReader) throws(CNIError) {
    cniVersion = try json.text("cniVersion")
    result = AddResult(
      interfaces: try json.objects("interfaces") ?? [], ips: try json.objects("ips") ?? [],
      routes: try json.objects("routes") ?? [], dns: try json.object("dns") ?? DNS())
    // Another program's member of that name may have a different form, which is ignored.
    result.portMappings = (try? json.objects("portMappings")) ?? []
    for key in ["ip4", "ip6"] {
      guard let old: SingleIP = try json.object(key) else { continue }
      result.ips.append(old.ip)
      result.routes += old.routes
    }
    for ip in try json["ips"]?.elements() ?? [] {
      guard let number = ip["interface"], !result.interfaces.indices.contains(try number.integer()) else { continue }
      throw number.refusal("one of the \(result.interfaces.count) interfaces")
    }
  }
}

/// The one address per family of the versions 0.1.0 and 0.2.0.
private struct SingleIP: JSONReadable {
  var ip: AddResult.IP
  var routes: [Route]

  init(_ json: JSONReader) throws(CNIError) {
    ip = AddResult.IP(address: try json.required("ip").parsed(), gateway: try json.parsed("gateway"))
    routes = try json.objects("routes") ?? []
  }
}

extension AddResult.Interface: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      name: try json.required("name").text(), mac: try json.nonEmptyText("mac"), mtu: try json.integer("mtu"),
      sandbox: try json.nonEmptyText("sandbox"))
    socketPath = try json.nonEmptyText("socketPath")
    pciID = try json.nonEmptyText("pciID")
  }
}

extension AddResult.IP: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      interface: try json.integer("interface"), address: try json.required("address").parsed(),
      gateway: try json.parsed("gateway"))
  }
}

extension AllocatedPort: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      try json.required("protocol").parsed(), hostIP: try json.parsed("hostIP"),
      hostPort: try json.required("hostPort").portNumber(),
      containerPort: try json.required("containerPort").portNumber())
  }
}

extension Route: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      dst: try json.required("dst").parsed(), gw: try json.parsed("gw"), priority: try json.integer("priority"))
    mtu = try json.integer("mtu")
    advmss = try json.integer("advmss")
    table = try json.integer("table")
    scope = try json.integer("scope")
  }
}

extension DNS: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      nameservers: try json.texts("nameservers") ?? [], domain: try json.nonEmptyText("domain"),
      search: try json.texts("search") ?? [], options: try json.texts("options") ?? [])
  }
}
