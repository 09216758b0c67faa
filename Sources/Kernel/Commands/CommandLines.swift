public import NetTypes
public import PacketFilter

/// Writes changes as the shell commands that they equal: `ip`, `bridge`, `sysctl`, `ethtool`, `conntrack`.
///
/// What no command does is a comment. Commands for a namespace below `/run/netns` name it: `ip -n NAME`. `ip` takes no
/// path there, so that for other namespaces `nsenter --net=PATH` runs the command.
public struct CommandLines: Sendable {
  /// The container's namespace; `nil` if there is none.
  var container: NetNSName?
  /// The namespace that stands in the host's place; `nil`: the host's own.
  var host: NetNSName?

  /// - Parameters:
  ///   - container: the path of the container's namespace.
  ///   - outside: the path of the namespace that stands in the host's place.
  public init(container: String?, outside: String? = nil) {
    self.container = container.flatMap { $0.isEmpty ? nil : NetNSName(path: $0) }
    host = outside.map(NetNSName.init(path:))
  }

  /// The lines of one change, in order.
  ///
  /// - Parameters:
  ///   - change: what is done.
  ///   - rules: the lines that add packet filter rules.
  /// - Returns: commands, and comments for what no command does.
  /// - Throws: what `rules` throws.
  public func lines(
    of change: Change, rules: (Claim) throws(KernelError) -> [String]
  ) throws(KernelError) -> [String] {
    switch change {
    case .createLink(let spec): creation(of: spec)
    case .changeLink(let name, let side, let wanted): lines(changing: name, on: side, wanted)
    case .setVLANs(let vlans, let name): lines(setting: vlans, of: name)
    case .addAddress(let spec): addition(of: spec)
    case .deleteAddress(let spec): ["\(ip(spec.side)) address delete \(spec.prefix) dev \(spec.interface)"]
    case .addRoute(let spec): [addition(of: spec)]
    case .deleteRoute(let spec): ["\(ip(spec.side)) route delete \(spec.arguments)"]
    case .setNeighbour(let spec): [setting(spec)]
    case .deleteNeighbour(let spec): [deletion(of: spec)]
    case .setFDB(let spec): [setting(spec)]
    case .deleteFDB(let spec): ["\(bridge) fdb delete \(spec.arguments)"]
    case .setTables(let tables): try lines(setting: tables, rules: rules)
    case .setChecksumOffload(let name, let isOn): ["\(prefix(.host))ethtool -K \(name) tx \(isOn ? "on" : "off")"]
    case .setSysctls(let settings, let side): settings.map { line(setting: $0, on: side) }
    case .enableRouteLocalnet(let name, _): [line(setting: .routeLocalnet(name, "1"), on: .host)]
    case .disableRouteLocalnet(let name, _): [line(setting: .routeLocalnet(name, "0"), on: .host)]
    case .routeLoopback(let name): ["\(ip(.host)) -6 route add local ::1 dev \(name) table local || true"]
    case .announce(_, let mac, let name): ["# \(change):", "\(ip(.container)) link set dev \(name) address \(mac)"]
    case .forgetConnections(let connections): lines(forgetting: connections)
    case .addRules(let claim): try rules(claim)
    case .setRules(let claim): ["# \(change):"] + (try rules(claim))
    case .deleteLink(let name, let side): ["\(ip(side)) link delete dev \(name)"]
    case .deleteUnusedBridge, .deleteUnroutedLink, .awaitRunning, .awaitDAD, .awaitWithdrawal, .removeRules,
      .removeReferenceRules, .removeOtherRules:
      ["# \(change)"]
    }
  }

  /// What stands before a command so that it runs in the namespace of `side`.
  func prefix(_ side: Side) -> String { namespace(side).map { "nsenter --net=\($0.path.shellWord) " } ?? "" }

  func ip(_ side: Side) -> String { iproute2("ip", side) }

  /// Bridges are on the host.
  var bridge: String { iproute2("bridge", .host) }

  private func iproute2(_ command: String, _ side: Side) -> String {
    guard let namespace = namespace(side) else { return command }
    return namespace.name.map { "\(command) -n \($0.shellWord)" } ?? prefix(side) + command
  }

  private func namespace(_ side: Side) -> NetNSName? { side == .container ? container : host }
}

/// A network namespace by its path, and as `ip netns` lists it.
struct NetNSName: Equatable, Sendable {
  var path: String

  init(path: String) { self.path = path }

  /// The name below `/run/netns`; `nil` if it is elsewhere.
  var name: String? {
    for directory in ["/run/netns/", "/var/run/netns/"] where path.hasPrefix(directory) {
      let name = path.dropFirst(directory.count)
      return name.isEmpty || name.contains("/") ? nil : String(name)
    }
    return nil
  }
}

extension String {
  /// The text as one word of `sh`.
  public var shellWord: String {
    let isPlain =
      !isEmpty
      && unicodeScalars.allSatisfy { scalar in
        scalar.isASCII
          && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
            || "-_./:=,+@%".unicodeScalars.contains(scalar))
      }
    guard !isPlain else { return self }
    return "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
  }
}
