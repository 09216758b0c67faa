public import CNI
public import NetTypes

/// One attachment of a network: its addresses, its names and its hosts file.
public struct Member: Equatable, Sendable {
  public var owner: AttachmentID
  /// Its addresses on the network, of both families.
  public var addresses: [IPAddress]
  /// All its names on the network, in the order of its lines.
  public var names: [HostName]
  /// The container's hosts file; `nil` for an attachment without one.
  public var hosts: FileReference?
  /// The lines that this attachment wrote only to its own hosts file: its own names, `extraHosts`.
  public var privateLines: [String]
  /// The name server file or directory for its names; `nil` for a network without a name server.
  public var server: NameServerTarget?
  /// The aliases that only this container uses for others (`--link`).
  public var links: [LinkAlias]
  /// The services of which it is a back-end and whose names lead to their virtual addresses.
  public var services: [NamedAddresses] = []
  /// Lines that could not be removed from its hosts file yet; `nil` if the file is up to date.
  ///
  /// The lines to add are found by comparison when the file can be written again.
  public var overdue: [String]?
  /// Whether its ADD or DEL has begun and is not complete.
  ///
  /// The others' hosts files may or may not have its lines, and it is not among their peers.
  public var isIncomplete = false

  public init(
    owner: AttachmentID, addresses: [IPAddress], names: [HostName], hosts: FileReference? = nil,
    privateLines: [String] = [],
    server: NameServerTarget? = nil, links: [LinkAlias] = []
  ) {
    self.links = links
    self.owner = owner
    self.addresses = addresses
    self.names = names
    self.hosts = hosts
    self.privateLines = privateLines
    self.server = server
  }
}

extension Member: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    let owner = AttachmentID(
      network: try json.required("network").parsed(), container: try json.required("container").parsed(),
      interface: try json.required("interface").parsed())
    self.init(
      owner: owner, addresses: try json.parsedList("addresses") ?? [], names: try json.parsedList("names") ?? [],
      hosts: try json.object("hosts"), privateLines: try json.texts("privateLines") ?? [],
      server: try json.object("server"), links: try json.objects("links") ?? [])
    overdue = try json.texts("overdue")
    isIncomplete = try json.flag("isIncomplete") ?? false
    services = try json.objects("services") ?? []
  }

  /// The state file's content.
  public var json: JSONValue {
    .record([
      "network": .text(owner.network), "container": .text(owner.container), "interface": .text(owner.interface),
      "addresses": .texts(addresses), "names": .texts(names), "hosts": hosts?.json, "server": server?.json,
      "overdue": overdue.flatMap { .texts($0) }, "isIncomplete": .flag(isIncomplete),
      "links": .nonEmpty(links.map { $0.json }), "privateLines": .nonEmptyTexts(privateLines),
      "services": .nonEmpty(services.map { $0.json }),
    ])
  }
}

extension Member {
  /// Its lines in every hosts file of the network, one for each address and name, without line ends.
  public var lines: [String] { NamedAddresses(names, addresses).lines }

  /// Its lines in the hosts file of `reader`: `lines`, and one for each address and alias that only `reader` uses.
  public func lines(for reader: Member) -> [String] {
    let own = reader.owner == owner ? [] : reader.links.filter { $0.refers(to: self) && !names.contains($0.alias) }
    return lines + addresses.flatMap { address in own.map { "\(address)\t\($0.alias)" } }
  }

  /// An attachment's names: `NAME`, `NAME.NETWORK`, `NAME.DOMAIN`, aliases; each once.
  ///
  /// A name that becomes too long with its network or domain is left out.
  public static func names(
    _ name: HostName, network: NetworkName, domain: HostName?, aliases: [HostName]
  ) -> [HostName] {
    let suffixes = [network.description, domain?.description].compactMap { $0 }
    let names = [name] + suffixes.compactMap { name.below($0) }
    var seen: Set<HostName> = []
    return (names + aliases).filter { seen.insert($0).inserted }
  }
}

/// The lines of a container's hosts file that concern only the container itself.
public enum OwnLines {
  /// The lines for loopback and multicast in each file that we create, the same as Docker's.
  public static let standard = [
    "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", "fe00::0\tip6-localnet",
    "ff00::0\tip6-mcastprefix", "ff02::1\tip6-allnodes", "ff02::2\tip6-allrouters",
  ]

  /// The lines with the container's own names, one for each of its addresses.
  public static func own(_ addresses: [IPAddress], hostname: HostName?, _ container: ContainerID) -> [String] {
    let short = shortName(container)
    let names = [hostname, hostname == short ? nil : short].compactMap { $0?.description }
    return names.isEmpty ? [] : addresses.map { "\($0)\t\(names.joined(separator: " "))" }
  }

  /// The container's name if the runtime sends none: `shortName`, with `-` for each `.` if that is no valid name.
  public static func fallbackName(_ container: ContainerID) -> HostName? {
    if let name = shortName(container) { return name }
    var text = container.description.prefix(12).map { $0 == "." ? "-" : $0 }
    while text.last == "-" { text.removeLast() }
    return HostName(String(text))
  }

  /// The first 12 characters of the container ID, as Docker shortens it; `nil` if that is no valid name.
  public static func shortName(_ container: ContainerID) -> HostName? {
    // Mesos' nested container IDs have dots; the cut may leave one at the end.
    var text = Substring(container.description.prefix(12))
    while let last = text.last, ".-".contains(last) { text.removeLast() }
    return HostName(String(text))
  }
}

/// A name that is written only to one container's hosts file: `--add-host`.
public struct ExtraHost: Hashable, Sendable {
  public var name: HostName
  public var address: IPAddress

  public init(_ name: HostName, _ address: IPAddress) {
    self.name = name
    self.address = address
  }

  public var line: String { "\(address)\t\(name)" }

  /// Reads `"NAME:ADDRESS"`, or an object `{"ip": ADDRESS, "hostnames": [NAME…]}`.
  ///
  /// - Throws: code 7 with the key and the value.
  public static func read(_ json: JSONReader) throws(CNIError) -> [ExtraHost] {
    if json.value.object != nil {
      let address: IPAddress = try json.required("ip").parsed()
      let listed = try json.required("hostnames")
      let names: [HostName] = try json.parsedList("hostnames") ?? []
      if names.isEmpty { throw listed.refusal("one name or more") }
      return names.map { ExtraHost($0, address) }
    }
    guard case .string(let text) = json.value, let colon = text.firstIndex(of: ":"),
      let name = HostName(String(text[..<colon])), let address = IPAddress(String(text[text.index(after: colon)...]))
    else { throw json.refusal("NAME:ADDRESS or an object with ip and hostnames") }
    return [ExtraHost(name, address)]
  }
}
