public import CNI
import Linux
import NetTypes

/// The runtime's side of CNI: runs the plugins of a network for an attachment.
///
/// From the first plugin on, the process ignores SIGPIPE.
public struct Runtime: Sendable {
  public static let standardPluginDirectory = "/opt/cni/bin"

  public var cache: ResultCache
  let runner: PluginRunner

  /// - Parameters:
  ///   - pluginDirectories: searched in order.
  ///   - cache: where results are kept between calls.
  ///   - timeoutSeconds: how long one call of one plugin may take before it is killed.
  ///   - diagnostics: gets what plugins write to their standard error.
  public init(
    pluginDirectories: [String] = [Runtime.standardPluginDirectory], cache: ResultCache = ResultCache(),
    timeoutSeconds: Int = 120, diagnostics: @escaping @Sendable ([UInt8]) -> Void
  ) {
    self.cache = cache
    runner = PluginRunner(
      directories: pluginDirectories, timeoutSeconds: timeoutSeconds, diagnostics: diagnostics)
  }

  /// Attaches: runs ADD of every plugin in order; each gets the result of the one before.
  ///
  /// If a plugin fails, DEL of every plugin follows, the last one first. The attachment is recorded before the first
  /// plugin runs, so that an interrupted ADD can be undone. The caller holds its `NetworkLock`.
  ///
  /// - Throws: code 104 if the attachment exists; the plugin's error, with errors of the rollback in the details.
  public func add(_ list: NetworkList, _ attachment: NetworkAttachment) throws(CNIError) -> ChainResult {
    for plugin in list.plugins { _ = try runner.find(plugin.type) }
    try recordUnfinished(list, attachment)
    var last: ChainResult?
    do throws(CNIError) {
      for plugin in list.plugins {
        let input = try plugin.input(for: list, previous: last?.json, attachment)
        let output = try runner.run(plugin.type, .add, config: input, attachment: attachment)
        last = try ChainResult(output, of: plugin.type, as: list.version)
      }
      guard let last else { throw CNIError(.invalidNetworkConfig, "network \(list.name): no plugins") }
      try cache.write(ResultCache.Entry(attachment: attachment, config: list.bytes, result: last.json))
      return last
    } catch {
      var error = error.prefixed(with: "network \(list.name)")
      let leftovers = rollBack(list, attachment, previous: last?.json)
      if leftovers.isEmpty {
        try? cache.remove(attachment.owner)  // the first error is thrown
      } else {
        error.details += (error.details.isEmpty ? "" : "; ") + "rollback: \(leftovers.joined(separator: "; "))"
      }
      throw error
    }
  }

  /// Records the attachment as unfinished; first removes what an interrupted ADD of it has left.
  private func recordUnfinished(_ list: NetworkList, _ attachment: NetworkAttachment) throws(CNIError) {
    let owner = attachment.owner
    if let before = try cache.entry(owner) {
      // The rollback of a second ADD would delete the existing attachment.
      guard before.isUnfinished else {
        throw CNIError(
          .alreadyAttached,
          "container \(owner.container) is already on network \(owner.network) as \(owner.interface)",
          details: "disconnect it first")
      }
      try delete(try NetworkList(before.config), before.attachment)
    }
    var entry = ResultCache.Entry(attachment: attachment, config: list.bytes)
    entry.isUnfinished = true
    try cache.write(entry)
  }

  /// Runs DEL of every plugin, also after an error; returns the errors.
  private func rollBack(_ list: NetworkList, _ attachment: NetworkAttachment, previous: JSONValue?) -> [String] {
    list.plugins.reversed().compactMap { plugin in
      do throws(CNIError) {
        let input = try plugin.input(for: list, previous: list.version >= .v0_4_0 ? previous : nil, attachment)
        _ = try runner.run(plugin.type, .del, config: input, attachment: attachment)
        return nil
      } catch {
        return error.text
      }
    }
  }

  /// Detaches: runs DEL of every plugin, the last one first, with the result of ADD.
  ///
  /// Stops at the first error (spec section 3): a later plugin's rules must be removed before the address is free. The
  /// attachment then stays recorded, so that DEL can be repeated.
  public func delete(_ list: NetworkList, _ attachment: NetworkAttachment) throws(CNIError) {
    // The attachment is removed even if its result cannot be read.
    let cached = try? cache.entry(attachment.owner)
    let previous = list.version >= .v0_4_0 ? try? cached?.result(as: list.version) : nil
    for plugin in list.plugins.reversed() {
      let input = try plugin.input(for: list, previous: previous, attachment)
      do throws(CNIError) {
        _ = try runner.run(plugin.type, .del, config: input, attachment: attachment)
      } catch {
        throw error.prefixed(with: "network \(list.name)")
      }
    }
    try cache.remove(attachment.owner)
  }
}

extension Runtime {
  /// Runs ADD of `dns-hosts` again for every existing attachment, with the result of the whole list.
  ///
  /// ADD of this plugin may be repeated; it changes nothing if everything is as it was.
  ///
  /// - Parameter networks: the networks of the attachments; empty: all networks.
  /// - Returns: the repaired attachments.
  /// - Throws: the plugin's errors, and code 8 for an attachment whose namespace is not known; the other attachments
  ///   are repaired nevertheless.
  public func repairNames(of networks: [NetworkName]) throws(CNIError) -> [AttachmentID] {
    var repaired: [AttachmentID] = []
    var problems: [CNIError] = []
    for entry in try cache.entries(ofAny: networks) {
      let presence = ContainerNamespace(of: entry.attachment).presence
      guard presence != .gone else { continue }
      do throws(CNIError) {
        if try repairNames(of: entry, presence) { repaired.append(entry.attachment.owner) }
      } catch { problems.append(error) }
    }
    if let error = CNIError(joining: problems) { throw error }
    return repaired
  }

  private func repairNames(
    of entry: ResultCache.Entry, _ presence: ContainerNamespace.Presence
  ) throws(CNIError) -> Bool {
    let list = try NetworkList(entry.config)
    guard !entry.isUnfinished else { return false }
    guard let plugin = list.plugins.first(where: { $0.type.description == "dns-hosts" }) else { return false }
    // With a nested plugin, ADD would attach the container a second time.
    guard plugin.config.member("delegate") == nil else { return false }
    guard presence == .live else {
      throw CNIError(.invalidNamespace, "\(entry.attachment.sentence): not repaired: its namespace is not known")
    }
    let previous = try entry.result(as: list.version)
    let input = try plugin.input(for: list, previous: previous, entry.attachment)
    _ = try runner.run(plugin.type, .add, config: input, attachment: entry.attachment)
    return true
  }
}

/// The commands and the result of a planned attachment.
public struct AttachmentCommands: Equatable, Sendable {
  /// Shell commands and comments, in the order of the chain.
  public var lines: [String]
  public var result: ChainResult
}

extension Runtime {
  /// The commands that equal `add`: runs ADD of every plugin with `CNI_PLAN=1`, which changes nothing.
  ///
  /// Each plugin gets the planned result of the one before. Nothing is written to the cache.
  ///
  /// - Throws: code 7 for a plugin that does not support `CNI_PLAN`, before any plugin runs; the error of a plugin.
  public func plan(
    _ list: NetworkList, _ attachment: NetworkAttachment
  ) throws(CNIError) -> AttachmentCommands {
    for plugin in list.plugins { try requirePlans(plugin, of: list) }
    var lines: [String] = []
    var last: ChainResult?
    do throws(CNIError) {
      for plugin in list.plugins {
        let input = try plugin.input(for: list, previous: last?.json, attachment)
        let output = try runner.run(plugin.type, word: "ADD", config: input, attachment: attachment, isDryRun: true)
        let (planned, result) = try Self.split(output, of: plugin.type)
        last = try ChainResult(result, of: plugin.type, as: list.version)
        lines += ["# plugin \(plugin.type)"] + planned
      }
      guard let last else { throw CNIError(.invalidNetworkConfig, "network \(list.name): no plugins") }
      return AttachmentCommands(lines: lines, result: last)
    } catch { throw error.prefixed(with: "network \(list.name)") }
  }

  private func requirePlans(_ plugin: NetworkList.ConfiguredPlugin, of list: NetworkList) throws(CNIError) {
    _ = try runner.find(plugin.type)
    let isOfThisSuite = KeyTables.isKnown(plugin.type.description)
    if isOfThisSuite, let output = try? runner.run(plugin.type, word: "VALIDATE", config: plugin.input(for: list)),
      let answer = try? CNIJSON.decodeValue(output), answer["plans"] == .bool(true)
    {
      return
    }
    throw CNIError(
      .invalidNetworkConfig, "plan: plugin \(plugin.type) would change the host: want \(plugin.type) of this suite")
  }

  /// Lines, then the result in the last one.
  private static func split(
    _ output: [UInt8], of type: PluginType
  ) throws(CNIError) -> (lines: [String], result: [UInt8]) {
    let lines = String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
    let prefix = "# result "
    guard let last = lines.last, last.hasPrefix(prefix) else {
      throw CNIError(
        .decodingFailure, "plugin \(type) ADD with CNI_PLAN=1: want a line \"# result {…}\" as the last one")
    }
    return (lines.dropLast(), Array(last.dropFirst(prefix.count).utf8))
  }
}

extension Runtime {
  /// The settings that ADD would refuse, as each plugin reports them.
  ///
  /// Plugins of this suite have a command for that (VALIDATE). A plugin without it has no findings.
  public func settingsFindings(_ list: NetworkList) -> [Finding] {
    var findings: [Finding] = []
    for (index, plugin) in list.plugins.enumerated() {
      findings += settingsFindings(plugin, of: list)
      guard let delegate = plugin.config.member("delegate")?.value, delegate.object != nil else { continue }
      do throws(CNIError) {
        let nested = try NetworkList.ConfiguredPlugin(delegate, at: "plugins[\(index)].delegate.")
        findings += settingsFindings(nested, of: list)
      } catch { findings.append(Finding(.error, error.text)) }
    }
    return findings
  }

  private func settingsFindings(_ plugin: NetworkList.ConfiguredPlugin, of list: NetworkList) -> [Finding] {
    guard let input = try? plugin.input(for: list) else { return [] }
    let types = plugin.leavesSubnetsToHosts ? [plugin.type] : plugin.required
    return types.filter { KeyTables.isKnown($0.description) }.flatMap { type -> [Finding] in
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

  /// One finding for each missing file that a plugin would read.
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

extension Runtime {
  /// Runs CHECK of every plugin.
  ///
  /// - Returns: the plugins without CHECK, as text; `nil` if all have it.
  /// - Throws: code 1 for a list before 0.4.0, code 2 if the operator disabled CHECK, code 3 for an attachment that
  ///   is not recorded; otherwise the first plugin's error.
  @discardableResult
  public func check(_ list: NetworkList, _ attachment: NetworkAttachment) throws(CNIError) -> String? {
    if let error = list.refusalOfCheck { throw error }
    let cached = try cache.entry(attachment.owner), owner = attachment.owner
    if cached?.isUnfinished == true {
      throw CNIError(
        .differences, "container \(owner.container): connecting to network \(owner.network) was interrupted",
        details: "cnictl disconnect removes what was made")
    }
    guard let previous = try cached?.result(as: list.version) else {
      throw CNIError(
        .unknownContainer, "container \(owner.container) is not on network \(owner.network) as \(owner.interface)")
    }
    var withoutCheck: [PluginType] = []
    for plugin in list.plugins {
      let input = try plugin.input(for: list, previous: previous, attachment)
      do throws(CNIError) {
        _ = try runner.run(plugin.type, .check, config: input, attachment: attachment)
      } catch {
        guard error.lacksCheck else { throw error.prefixed(with: "network \(list.name)") }
        withoutCheck.append(plugin.type)
      }
    }
    guard !withoutCheck.isEmpty else { return nil }
    return withoutCheck.map { "plugin \($0) has no CHECK" }.joined(separator: ", ")
  }

  /// The result of checking one attachment.
  public enum CheckOutcome: Equatable, Sendable {
    case unchanged
    case differs(CNIError)
    /// The reason why it was not checked.
    case notChecked(String)
    /// Its namespace no longer exists.
    case gone
  }

  /// Runs `check` if the attachment's namespace exists and the list has CHECK.
  public func outcome(of list: NetworkList, _ attachment: NetworkAttachment) -> CheckOutcome {
    let namespace = ContainerNamespace(of: attachment)
    switch namespace.presence {
    case .gone: return .gone
    case .unknown where namespace.path.isEmpty: return .notChecked("its namespace is not known")
    case .unknown: return .notChecked("\(namespace.path) cannot be opened")
    case .live: break
    }
    if let error = list.refusalOfCheck { return .notChecked(error.message) }
    do throws(CNIError) {
      return try check(list, attachment).map { .notChecked($0) } ?? .unchanged
    } catch { return .differs(error) }
  }
}

extension NetworkList {
  /// The reason why the list has no CHECK; `nil` if it has.
  fileprivate var refusalOfCheck: CNIError? {
    if version < Command.check.since {
      return CNIError(
        .incompatibleVersion, "network \(name): version \(version.rawValue) has no CHECK: want 0.4.0 or later")
    }
    guard disableCheck else { return nil }
    return CNIError(.unsupportedField, "network \(name): CHECK is disabled by its key \"disableCheck\"")
  }
}

extension CNIError {
  /// Whether the error means that the plugin has no CHECK; the texts are those of libcni.
  fileprivate var lacksCheck: Bool {
    code == .invalidEnvironment && text.contains("unknown CNI_COMMAND")
      || code == .incompatibleVersion && text.contains("does not allow CHECK") || text.hasSuffix("not implemented")
  }
}
