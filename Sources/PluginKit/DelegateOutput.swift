import CNI

/// The output of a delegate that ended with status 0.
struct DelegateOutput {
  private var type: PluginType
  private var command: Command
  private var bytes: [UInt8]

  init(_ type: PluginType, _ command: Command, _ bytes: [UInt8]) {
    self.type = type
    self.command = command
    self.bytes = bytes
  }

  /// Refuses an error with status 0: it is unclear what the delegate did.
  ///
  /// - Throws: code 105.
  func refuseError() throws(CNIError) {
    guard let members = (try? CNIJSON.decodeValue(bytes))?.object, members["code"] != nil else { return }
    throw refusal("an error with status 0")
  }

  /// The CNI result in the output.
  ///
  /// - Throws: code 105 if the output is no result or is empty.
  func result() throws(CNIError) -> AddResult {
    do throws(CNIError) {
      let value = try CNIJSON.decodeValue(bytes)
      guard Self.parts.contains(where: { value.member($0) != nil }) else { throw refusal("no result") }
      return try PrintedResult(JSONReader(value)).result
    } catch {
      throw error.code == .delegateFailed
        ? error : CNIError(.delegateFailed, "result of plugin \(type): \(error.message)", details: error.details)
    }
  }

  /// The keys of results of all versions; a result has at least one of them.
  private static let parts = ["interfaces", "ips", "ip4", "ip6", "routes", "dns"]

  private func refusal(_ what: String) -> CNIError {
    CNIError(
      .delegateFailed, "plugin \(type) answered \(command.rawValue) with \(what): want a CNI result",
      details: String(decoding: bytes.prefix(1000), as: UTF8.self))
  }
}
