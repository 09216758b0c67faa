public import CNI
import NetTypes

/// An error or a note about a network's configuration.
public struct Finding: Equatable, Sendable {
  public enum Severity: String, Sendable {
    /// The configuration does not work, or not as it is written.
    case error
    /// Could not be checked, or has an effect that is easy to miss.
    case note
  }

  public var severity: Severity
  public var text: String

  public init(_ severity: Severity, _ text: String) {
    self.severity = severity
    self.text = text
  }
}

/// Checks a configuration.
public struct Validator: Sendable {
  /// The host's networks, to find overlapping subnets; networks of the same name are ignored.
  public var others: [ConfigDirectory.Entry]
  public var hostRoutes: [HostRoute]

  public init(others: [ConfigDirectory.Entry], hostRoutes: [HostRoute]) {
    self.others = others
    self.hostRoutes = hostRoutes
  }

  /// Everything that can be found without running a plugin.
  public func findings(_ bytes: [UInt8], extras: [JSONValue] = []) -> [Finding] {
    do throws(CNIError) {
      let root = try CNIJSON.decodeValue(bytes)
      let keys = keyFindings(root) + ListCheck.repeatedKeys(bytes)
      do throws(CNIError) {
        let list = try NetworkList(bytes, extras: extras)
        return keys + ListCheck.findings(list) + overlaps(of: list).map { Finding(.error, $0) }
          + list.broadcastNotes.map { Finding(.note, $0) }
      } catch {
        return [Finding(.error, error.text)] + keys
      }
    } catch {
      return [Finding(.error, error.text)]
    }
  }

  private func keyFindings(_ root: JSONValue) -> [Finding] {
    guard let object = root.object else { return [] }
    guard let plugins = root.member("plugins") else { return pluginFindings(root, at: "") }
    var findings = KeyCheck.complaints(object, keys: Key.list, at: "").map { Finding(.error, $0) }
    for (index, plugin) in (plugins.value.array ?? []).enumerated() {
      findings += pluginFindings(plugin, at: "plugins[\(index)].")
    }
    return findings
  }

  private func pluginFindings(_ config: JSONValue, at path: String) -> [Finding] {
    guard let object = config.object, let type = config.member("type")?.value.string else { return [] }
    guard let keys = KeyTables.plugin(type) else {
      return [Finding(.note, "\(path)type \"\(type)\": its keys are unknown to cnictl and were not checked")]
    }
    // A file with a single plugin has the keys of a list too.
    let all = path.isEmpty ? keys + Key.list : keys
    let findings = KeyCheck.complaints(object, keys: all, at: path).map { Finding(.error, $0) }
    guard let ipam = config.member("ipam")?.value, let members = ipam.object, !members.isEmpty else { return findings }
    guard let ipamType = ipam.member("type")?.value.string, !ipamType.isEmpty else {
      // `{"type": ""}` means no IPAM, as `{}` does.
      if members.allSatisfy({ $0.key == "type" && $0.value == .string("") }) { return findings }
      return findings + [Finding(.error, "missing key \"\(path)ipam.type\": want an IPAM plugin's name")]
    }
    guard let ipamKeys = KeyTables.ipam(ipamType) else {
      return findings + [
        Finding(.note, "\(path)ipam.type \"\(ipamType)\": its keys are unknown to cnictl and were not checked")
      ]
    }
    return findings + KeyCheck.complaints(members, keys: ipamKeys, at: path + "ipam.").map { Finding(.error, $0) }
  }

  /// One sentence for each subnet that overlaps another network or a route of the host.
  public func overlaps(of list: NetworkList) -> [String] {
    list.subnets.flatMap { subnet -> [String] in
      let networks = others.filter { $0.list.name != list.name }.flatMap { other in
        other.list.subnets.filter(subnet.overlaps).map {
          "subnet \(subnet) overlaps \($0) of network \(other.list.name) (\(other.file))"
        }
      }
      let routes = hostRoutes.filter { subnet.overlaps($0.destination) && !list.owns($0) }.map {
        "subnet \(subnet) overlaps the host's route to \($0.destination) by \($0.interface)"
      }
      return networks + routes
    }
  }
}

extension NetworkList {
  /// The subnets in the configuration.
  var subnets: [IPPrefix] {
    plugins.flatMap { plugin -> [IPPrefix] in
      guard let ipam = plugin.config.member("ipam")?.value else { return [] }
      let sets = ipam.member("ranges")?.value.array ?? []
      let ranges = [ipam] + sets.flatMap { $0.array ?? [] }
      return ranges.compactMap { $0.member("subnet")?.value.string.flatMap { IPPrefix($0)?.network } }
    }
  }

  /// Whether the host has this route because of the network, or the route's link is the network's master.
  func owns(_ route: HostRoute) -> Bool {
    plugins.contains { plugin in
      let link = { (key: String) in plugin.config.member(key)?.value.string.flatMap { $0.isEmpty ? nil : $0 } }
      switch plugin.type.description {
      case "bridge": return route.interface == link("bridge") ?? "cni0"
      // All routes of overlay networks: their subnets are compared with those in other lists anyway.
      case "overlay-vxlan":
        return [link("bridge"), link("vxlan")].contains(route.interface)
          || ["ov-", "vx-"].contains(where: route.interface.hasPrefix)
      // Without `master`, any link may be the uplink; a route to one address is for `hostAccess`.
      case "macvlan", "ipvlan": return route.interface == link("master") ?? route.interface || route.isHostRoute
      case "ptp": return route.isHostRoute
      default: return false
      }
    }
  }

  /// The directories of its leases of `host-local`; more than one if a plugin is nested.
  public var leaseDirectories: [String] {
    var directories: [String] = []
    for config in plugins.map(\.config).flatMap({ [$0] + [$0.member("delegate")?.value].compactMap(\.self) }) {
      guard let ipam = config.member("ipam")?.value, let type = ipam.member("type")?.value.string,
        ["host-local", "ipam-host-local"].contains(type)
      else { continue }
      let written = ipam.member("dataDir")?.value.string ?? ""
      let directory = written.isEmpty ? StatePaths.leases : written
      if !directories.contains(directory) { directories.append(directory) }
    }
    return directories
  }

  /// Every plugin that an attachment runs, with the IPAM plugins.
  public var requiredPlugins: [PluginType] { plugins.flatMap(\.required) }
}

extension NetworkList.ConfiguredPlugin {
  /// The plugin and its IPAM plugin.
  var required: [PluginType] {
    let ipam = config.member("ipam")?.value.member("type")?.value.string.flatMap(PluginType.init)
    return [type] + [ipam].compactMap(\.self)
  }
}

extension HostRoute {
  /// Whether the destination is a single address.
  fileprivate var isHostRoute: Bool { destination.hostBits == 0 }
}

extension NetworkList {
  /// One sentence for each range that ends with its subnet's broadcast address, which no container gets.
  var broadcastNotes: [String] {
    plugins.enumerated().flatMap { index, plugin -> [String] in
      guard let ipam = plugin.config.member("ipam")?.value else { return [] }
      let sets = (ipam.member("ranges")?.value.array ?? []).enumerated().flatMap { set, ranges in
        (ranges.array ?? []).enumerated().map { (key: "ranges[\(set)][\($0.offset)].", range: $0.element) }
      }
      return ([(key: "", range: ipam)] + sets).compactMap { key, range in
        guard let broadcast = range.member("subnet")?.value.string.flatMap(IPPrefix.init)?.broadcast,
          range.member("rangeEnd")?.value.string.flatMap(IPAddress.init) == broadcast
        else { return nil }
        return "key \"plugins[\(index)].ipam.\(key)rangeEnd\": \(broadcast) is the subnet's broadcast address "
          + "and is not handed out"
      }
    }
  }
}
