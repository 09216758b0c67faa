import CNI

/// Checks that the plugins of a list fit together.
enum ListCheck {
  static func findings(_ list: NetworkList) -> [Finding] { chain(list) + order(list) + capabilities(list) }

  /// Plugins that change what another made.
  private static let chained: Set = [
    "portmap", "mesos-cni-port-mapper", "firewall", "service", "tuning", "dns-hosts", "dnsname", "bandwidth", "sbr",
  ]

  private static func chain(_ list: NetworkList) -> [Finding] {
    guard let first = list.plugins.first, chained.contains(first.type.description),
      first.config.member("delegate") == nil
    else { return [] }
    return [
      Finding(
        .error,
        "key \"plugins[0].type\": \"\(first.type)\" changes the interface that another plugin made: want a plugin before it that makes one"
      )
    ]
  }

  /// `dns-hosts` writes the names of the services of which the container is a back-end already.
  private static func order(_ list: NetworkList) -> [Finding] {
    let types = list.plugins.map { $0.type.description }
    guard let names = types.firstIndex(where: { ["dns-hosts", "dnsname"].contains($0) }),
      let service = types.lastIndex(of: "service"), names < service
    else { return [] }
    return [
      Finding(
        .error,
        "key \"plugins[\(names)].type\": \"\(types[names])\" would not write the service's name: want it after \"service\""
      )
    ]
  }

  private static func capabilities(_ list: NetworkList) -> [Finding] {
    list.plugins.enumerated().flatMap { index, plugin -> [Finding] in
      let type = plugin.type.description
      return plugin.capabilities.sorted().compactMap { capability in
        let key = "key \"plugins[\(index)].capabilities.\(capability)\""
        guard let acceptingPlugins = KeyTables.capabilities[capability] else {
          let suggestion = KeyCheck.suggestion(capability, among: Array(KeyTables.capabilities.keys))
          guard KeyTables.isKnown(type) || !suggestion.isEmpty else { return nil }
          return Finding(.error, "\(key): no runtime offers this capability\(suggestion)")
        }
        guard KeyTables.isKnown(type), !acceptingPlugins.contains(type) else { return nil }
        let isTaken = list.plugins.contains { other in
          other.capabilities.contains(capability)
            && (acceptingPlugins.contains(other.type.description) || !KeyTables.isKnown(other.type.description))
        }
        if isTaken { return nil }
        return Finding(
          .error,
          "\(key): no plugin of the list accepts it: want it in \(acceptingPlugins.sorted().joined(separator: ", "))")
      }
    }
  }

  /// Finds a key that occurs twice in one object, because only the last one would be used.
  static func repeatedKeys(_ bytes: [UInt8]) -> [Finding] {
    guard (try? CNIJSON.decodeValue(bytes)) != nil else { return [] }
    do throws(CNIError) {
      _ = try CNIJSON.decodeValue(bytes, refusingRepeatedKeys: true)
      return []
    } catch { return [Finding(.error, error.text)] }
  }
}
