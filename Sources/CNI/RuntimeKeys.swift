public import NetTypes

/// The keys that runtimes add to the operator's configuration: `args`, `runtimeConfig`.
public struct RuntimeKeys: JSONReadable, Equatable, Sendable {
  public var args: Args?
  public var runtimeConfig: RuntimeConfig?
  /// The name server settings; `nil` if none are given (a given list counts even if it is empty).
  public var dns: DNS?

  /// No keys are given.
  public init() {}

  public init(_ json: JSONReader) throws(CNIError) {
    args = try json.object("args")
    runtimeConfig = try json.object("runtimeConfig")
    let given: DNS? = try json.object("dns")
    let isWritten = ["nameservers", "search", "options"].contains { json["dns"]?[$0] != nil }
    dns = isWritten || given?.isEmpty == false ? given : nil
  }

  public struct Args: JSONReadable, Equatable, Sendable {
    public var cni: CNI?
    public var mesos: Mesos?

    public init(_ json: JSONReader) throws(CNIError) {
      cni = try json.object("cni")
      mesos = try json.object("org.apache.mesos")
    }

    /// `args.cni`, as in CONVENTIONS.md of the specification.
    public struct CNI: JSONReadable, Equatable, Sendable {
      public var mac: MACAddress?
      public var ips: [RequestedAddress]?
      /// The container's name.
      public var name: String?
      public var labels: [String: String] = [:]
      /// Containers of the network that this one may reach although the network separates its containers.
      public var links: [Link]?
      public var dns: DNS?
      /// Replaces the network's `gwPriority`.
      public var gwPriority: Int?

      public init(_ json: JSONReader) throws(CNIError) {
        gwPriority = try json.integer("gwPriority")
        mac = try json.parsed("mac")
        ips = try json.parsedList("ips")
        name = try json.nonEmptyText("name")
        labels = try readLabels(json["labels"])
        links = try json.objects("links")
        dns = try json.object("dns")
      }
    }

    /// An element of `args.cni.links`.
    public struct Link: JSONReadable, Equatable, Sendable {
      /// The other container's name or ID.
      public var container: String
      /// The name by which this container looks up the other one.
      public var alias: String?
      public var ports: [TransportPort]

      public init(_ json: JSONReader) throws(CNIError) {
        container = try json.required("container").text()
        alias = try json.nonEmptyText("alias")
        let listed = try json.required("ports")
        ports = try json.parsedList("ports") ?? []
        if ports.isEmpty { throw listed.refusal("one port or more") }
      }
    }
  }

  /// The `network_info` that the `network/cni` isolator of Mesos sends.
  public struct Mesos: JSONReadable, Equatable, Sendable {
    /// `ip_addresses`; a task may also give only a family.
    public var addresses: [RequestedAddress] = []
    public var labels: [String: String] = [:]
    /// The task's groups.
    public var groups: [String] = []

    public init(_ json: JSONReader) throws(CNIError) {
      guard let info = json["network_info"] else { return }
      groups = try info.texts("groups") ?? []
      let requested = try info.list("ip_addresses") { (element) throws(CNIError) -> RequestedAddress? in
        try element.parsed("ip_address")
      }
      addresses = (requested ?? []).compactMap { $0 }
      labels = try readLabels(info["labels"]?["labels"])
    }
  }
}

/// Reads a list of `{"key": …, "value": …}`.
private func readLabels(_ json: JSONReader?) throws(CNIError) -> [String: String] {
  var labels: [String: String] = [:]
  for label in try json?.elements() ?? [] { labels[try label.required("key").text()] = try label.text("value") }
  return labels
}

/// The values that a runtime passes to a plugin for its declared capabilities.
public struct RuntimeConfig: JSONReadable, Equatable, Sendable {
  public var mac: MACAddress?
  public var ips: [RequestedAddress]?
  public var dns: DNS?

  public init(_ json: JSONReader) throws(CNIError) {
    mac = try json.parsed("mac")
    ips = try json.parsedList("ips")
    guard let given = json["dns"] else { return }
    // go-cni uses its own field names.
    var dns: DNS = try given.object()
    dns.nameservers = try given.texts("servers") ?? dns.nameservers
    dns.search = try given.texts("searches") ?? dns.search
    self.dns = dns
  }
}

/// A requested address, with or without a prefix length.
public struct RequestedAddress: TextCodable {
  public static let expectedForm = "an address, with or without a prefix length"

  public let address: IPAddress
  /// The prefix length; `nil` if none is given.
  public let length: Int?

  public init?(_ text: String) {
    if let prefix = IPPrefix(text) {
      address = prefix.address
      length = prefix.length
    } else {
      guard let address = IPAddress(text) else { return nil }
      self.address = address
      length = nil
    }
  }

  public var description: String { length.map { "\(address)/\($0)" } ?? address.description }
}

extension RuntimeKeys {
  /// The requested MAC address: from `runtimeConfig`, else `args.cni`, else `CNI_ARGS`.
  public func mac(_ arguments: CNIArguments) throws(CNIError) -> MACAddress? {
    if let given = runtimeConfig?.mac ?? args?.cni?.mac { return given }
    return try arguments.value("MAC")
  }

  /// The `gwPriority` of this attachment; `nil`: the network's.
  ///
  /// `args.cni` takes precedence over `GW_PRIORITY` in `CNI_ARGS`.
  public func gwPriority(_ arguments: CNIArguments) throws(CNIError) -> Int? {
    if let given = args?.cni?.gwPriority { return given }
    guard let text = arguments["GW_PRIORITY"] else { return nil }
    guard let number = Int(text) else {
      throw CNIError(.invalidEnvironment, "CNI_ARGS: GW_PRIORITY=\(text): want a whole number")
    }
    return number
  }

  /// The requested addresses, from the first source that has any.
  ///
  /// The order is `runtimeConfig`, `args.cni`, Mesos' `ip_addresses`, `CNI_ARGS`.
  public func requestedAddresses(_ arguments: CNIArguments) throws(CNIError) -> [RequestedAddress] {
    let mesos = args?.mesos?.addresses
    for source in [runtimeConfig?.ips, args?.cni?.ips, mesos] {
      if let source, !source.isEmpty { return source }
    }
    return try arguments.addresses("IP")
  }

  /// The container's name, if the runtime passes it.
  public func containerName(_ arguments: CNIArguments) -> String? {
    args?.cni?.name ?? args?.cni?.labels["name"] ?? args?.mesos?.labels["name"] ?? arguments["K8S_POD_NAME"]
  }

  /// The labels by which policies know the container, in order; each of a Mesos task's groups is a label `group`.
  public var memberLabels: [Label] {
    let labels = args?.cni.flatMap { $0.labels.isEmpty ? nil : $0.labels } ?? args?.mesos?.labels ?? [:]
    let groups = args?.mesos?.groups ?? []
    return Set(labels.map { Label(key: $0.key, value: $0.value) } + groups.map { Label(key: "group", value: $0) })
      .sorted()
  }

  /// The name server settings of the runtime, else of the operator; `nil` if neither has any.
  public var effectiveDNS: DNS? {
    if let given = runtimeConfig?.dns, !given.isEmpty { return given }
    return dns
  }
}

extension CNIArguments {
  /// A comma-separated list of addresses; empty if the key is absent.
  public func addresses(_ key: String) throws(CNIError) -> [RequestedAddress] {
    var addresses: [RequestedAddress] = []
    for text in (self[key] ?? "").split(separator: ",") {
      guard let address = RequestedAddress(String(text)) else {
        throw CNIError(.invalidEnvironment, "CNI_ARGS: \(key)=\(text): want \(RequestedAddress.expectedForm)")
      }
      addresses.append(address)
    }
    return addresses
  }
}
