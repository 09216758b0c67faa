public import CNI

/// The result of the plugins that have run so far.
public struct ChainResult: Equatable, Sendable {
  /// In the list's version; unknown keys are kept if the plugin's result has that version.
  public var json: JSONValue
  public var result: AddResult

  /// - Throws: code 6 if the plugin's output is not a result.
  init(_ output: [UInt8], of type: PluginType, as version: SpecVersion) throws(CNIError) {
    do throws(CNIError) {
      try self.init(CNIJSON.decodeValue(output), as: version)
    } catch {
      throw CNIError(
        .decodingFailure, "plugin \(type) ADD: the output is not a CNI result", details: error.text)
    }
  }

  /// - Throws: an error if `value` is not a result of any version.
  init(_ value: JSONValue, as version: SpecVersion) throws(CNIError) {
    let written: PrintedResult = try JSONReader(value).object()
    result = written.result
    if let own = written.cniVersion, !own.isEmpty, own != version.rawValue {
      json = result.json(version)
    } else {
      json = value.with(["cniVersion": .string(version.rawValue)])
    }
  }
}

extension ResultCache.Entry {
  /// The result in the form of `version`; `nil` if none is stored.
  func result(as version: SpecVersion) throws(CNIError) -> JSONValue? {
    guard let result else { return nil }
    return try ChainResult(result, as: version).json
  }

  /// The result of ADD; empty if it is not stored or cannot be read.
  public var addResult: AddResult {
    guard let result, let read = try? ChainResult(result, as: .latest) else { return AddResult() }
    return read.result
  }
}

extension NetworkList.ConfiguredPlugin {
  /// The configuration for the plugin's standard input (spec section 3, "Deriving execution configuration").
  func input(
    for list: NetworkList, previous: JSONValue? = nil, _ attachment: NetworkAttachment? = nil,
    adding members: [String: JSONValue] = [:]
  ) throws(CNIError) -> [UInt8] {
    var injected = members
    injected["name"] = .string(list.name.description)
    injected["cniVersion"] = .string(list.version.rawValue)
    injected["prevResult"] = previous
    let offered = attachment?.capabilityArguments.filter { capabilities.contains($0.key) } ?? [:]
    if !offered.isEmpty { injected["runtimeConfig"] = .object(offered) }
    return config.with(injected).bytes
  }
}

extension JSONValue {
  /// The object with these members; they replace members of the same name in upper or lower case.
  func with(_ members: [String: JSONValue]) -> JSONValue {
    let replaced = Set(members.keys.map { $0.lowercased() })
    let kept = (object ?? [:]).filter { !replaced.contains($0.key.lowercased()) }
    return .object(kept.merging(members) { _, new in new })
  }

  /// The object without the member of that name, in upper or lower case.
  func without(_ key: String) -> JSONValue {
    .object((object ?? [:]).filter { $0.key.lowercased() != key.lowercased() })
  }
}
