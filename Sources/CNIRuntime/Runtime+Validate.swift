import CNI
import Linux

extension Runtime {
  /// What ADD would refuse of each plugin's settings, as the plugins themselves say.
  ///
  /// Those of this suite have a command for that. One of the same name that has none is not judged.
  public func settingsFindings(_ list: NetworkList) -> [Finding] {
    var findings: [Finding] = []
    for (index, plugin) in list.plugins.enumerated() {
      findings += settingsFindings(plugin, of: list)
      guard let inner = plugin.config.member("delegate")?.value, inner.object != nil else { continue }
      do throws(CNIError) {
        let inside = try NetworkList.ConfiguredPlugin(inner, at: "plugins[\(index)].delegate.")
        findings += settingsFindings(inside, of: list)
      } catch { findings.append(Finding(.error, error.text)) }
    }
    return findings
  }

  private func settingsFindings(_ plugin: NetworkList.ConfiguredPlugin, of list: NetworkList) -> [Finding] {
    guard let input = try? plugin.input(for: list) else { return [] }
    let asked = plugin.leavesSubnetsToHosts ? [plugin.type] : plugin.required
    return asked.filter { KeyTables.isKnown($0.description) }.flatMap { type -> [Finding] in
      // Missing plugins and other answers are reported elsewhere.
      guard let output = try? runner.run(type, word: "VALIDATE", config: input),
        let answer = try? CNIJSON.decodeValue(output), let errors = answer["errors"]?.array
      else { return [] }
      return errors.map { error in
        let details = error["details"]?.string ?? ""
        return Finding(
          .error, "plugin \(type): \(error["msg"]?.string ?? "refused")" + (details.isEmpty ? "" : ": \(details)"))
      }
    }
  }
}

extension NetworkList.ConfiguredPlugin {
  /// Whether its IPAM plugin gets each host's own subnets, which are in no configuration: mode l3 without ranges.
  fileprivate var leavesSubnetsToHosts: Bool {
    guard type.description == "overlay-vxlan", let ipam = config["ipam"] else { return false }
    return config["mode"] != .string("l2") && ["subnet", "ranges"].allSatisfy { (ipam[$0] ?? .null) == .null }
      && config["controlPlane"]?["type"].flatMap(\.string).map { ["static", "etcd"].contains($0) } ?? false
  }
}

extension NetworkList {
  private static let fileKeys: Set = ["peersFile", "caFile", "certFile", "keyFile", "passwordFile"]

  /// One finding for each file that a plugin is to read and that is not there.
  public func fileFindings() -> [Finding] {
    plugins.enumerated().flatMap { Self.missingFiles($1.config, at: "plugins[\($0)]") }
  }

  private static func missingFiles(_ value: JSONValue, at path: String) -> [Finding] {
    (value.object ?? [:]).sorted { $0.key < $1.key }.flatMap { key, value -> [Finding] in
      guard fileKeys.contains(key), let file = value.string, !file.isEmpty else {
        return missingFiles(value, at: "\(path).\(key)")
      }
      return Files.exists(file) ? [] : [Finding(.error, "key \"\(path).\(key)\": \"\(file)\": no such file")]
    }
  }
}
