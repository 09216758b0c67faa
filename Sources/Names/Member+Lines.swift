public import CNI
public import NetTypes

extension Member {
  /// What every hosts file of its network holds of it, a line for each address and name, without line ends.
  public var lines: [String] { addresses.flatMap { address in names.map { "\(address)\t\($0)" } } }

  /// What the hosts file of `reader` holds of it: `lines`, and a line for each address and name that `reader` alone
  /// calls it.
  public func lines(for reader: Member) -> [String] {
    let own = reader.owner == owner ? [] : reader.links.filter { $0.leads(to: self) && !names.contains($0.alias) }
    return lines + addresses.flatMap { address in own.map { "\(address)\t\($0.alias)" } }
  }

  /// The parts of an attachment's name: `NAME`, `NAME.NETWORK`, `NAME.DOMAIN`, aliases; each once.
  ///
  /// One that is too long below its network or domain is left out.
  public static func names(
    _ name: HostName, network: NetworkName, domain: HostName?, aliases: [HostName]
  ) -> [HostName] {
    let suffixes = [network.description, domain?.description].compactMap(\.self)
    let names = [name] + suffixes.compactMap { name.below($0) }
    var seen: Set<HostName> = []
    return (names + aliases).filter { seen.insert($0).inserted }
  }
}

/// Lines of a container's hosts file that are there for itself.
public enum OwnLines {
  /// What a file that we make holds behind its first lines, as Docker writes it.
  public static let standard = [
    "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", "fe00::0\tip6-localnet",
    "ff00::0\tip6-mcastprefix", "ff02::1\tip6-allnodes", "ff02::2\tip6-allrouters",
  ]

  /// The container's own name, for each of its addresses.
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

  /// The container's identifier as Docker shortens it; `nil` where that is no name.
  public static func shortName(_ container: ContainerID) -> HostName? {
    // Mesos' nested identifiers have dots, which may come to stand at the end.
    var text = Substring(container.description.prefix(12))
    while let last = text.last, ".-".contains(last) { text.removeLast() }
    return HostName(String(text))
  }
}

/// A name that only one container knows: `--add-host`.
public struct ExtraHost: Hashable, Sendable {
  public var name: HostName
  public var address: IPAddress

  public init(_ name: HostName, _ address: IPAddress) {
    self.name = name
    self.address = address
  }

  public var line: String { "\(address)\t\(name)" }

  /// `"NAME:ADDRESS"`, or an object `{"ip": ADDRESS, "hostnames": [NAME…]}`.
  ///
  /// - Throws: code 7 naming key and value.
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
