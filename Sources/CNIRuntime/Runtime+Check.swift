public import CNI

extension Runtime {
  /// Asks every plugin whether all of the attachment is still there.
  ///
  /// - Returns: why a part of it could not be asked; `nil` where every plugin answered.
  /// - Throws: code 1 for a list before 0.4.0, code 2 where the operator disabled CHECK, code 3 for an attachment that
  ///   is not known; else the first plugin's complaint.
  @discardableResult
  public func check(_ list: NetworkList, _ attachment: NetworkAttachment) throws(CNIError) -> String? {
    if let error = list.refusalOfCheck { throw error }
    let cached = try cache.entry(attachment.owner), owner = attachment.owner
    if cached?.isUnfinished == true {
      throw CNIError(
        .differences, "container \(owner.container): connecting to network \(owner.network) was interrupted",
        details: "cnictl disconnect removes what there is")
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
        guard error.saysNoCheck else { throw error.prefixed(with: "network \(list.name)") }
        withoutCheck.append(plugin.type)
      }
    }
    guard !withoutCheck.isEmpty else { return nil }
    return withoutCheck.map { "plugin \($0) has no CHECK" }.joined(separator: ", ")
  }

  /// What a look at one attachment came to.
  public enum CheckOutcome: Equatable, Sendable {
    case asMade
    case differs(CNIError)
    /// Why not.
    case notChecked(String)
    /// Its namespace is no longer there.
    case gone
  }

  /// `check` for every known attachment, also where a plugin has no CHECK.
  public func outcome(of list: NetworkList, _ attachment: NetworkAttachment) -> CheckOutcome {
    let namespace = ContainerNamespace(of: attachment)
    switch namespace.presence {
    case .gone: return .gone
    case .unknown where namespace.path.isEmpty: return .notChecked("its namespace is not known")
    case .unknown: return .notChecked("\(namespace.path) cannot be looked at")
    case .live: break
    }
    if let error = list.refusalOfCheck { return .notChecked(error.message) }
    do throws(CNIError) {
      return try check(list, attachment).map { .notChecked($0) } ?? .asMade
    } catch { return .differs(error) }
  }
}

extension NetworkList {
  /// Why no plugin of it can be asked for CHECK; `nil` where they can.
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
  /// Whether a plugin answered that it has no such command; the words are those of the specification's library.
  fileprivate var saysNoCheck: Bool {
    code == .invalidEnvironment && text.contains("unknown CNI_COMMAND")
      || code == .incompatibleVersion && text.contains("does not allow CHECK") || text.hasSuffix("not implemented")
  }
}
