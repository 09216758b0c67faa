public import CNI
import NetTypes

extension Runtime {
  /// Removes what belongs to attachments that are not in `valid`.
  ///
  /// First runs DEL of those in the cache, then GC of every plugin if the list's version has GC. An error does not stop
  /// it.
  ///
  /// - Throws: code 2 if the operator disabled GC; otherwise one error with all failures.
  public func collectGarbage(
    _ list: NetworkList, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError) {
    guard !list.disableGC else {
      throw CNIError(.unsupportedField, "network \(list.name): GC is disabled by its key \"disableGC\"")
    }
    var errors: [CNIError] = []
    for entry in try cache.entries(of: list.name) where !valid.contains(entry.attachment.key) {
      do throws(CNIError) { try delete(list, entry.attachment) } catch { errors.append(error) }
    }
    do throws(CNIError) { try runPluginGC(of: list, valid: valid) } catch { errors.append(error) }
    if let error = CNIError(joining: errors) { throw error }
  }

  /// Runs only GC of every plugin, if the list's version has GC; an error does not stop it.
  ///
  /// - Parameters:
  ///   - list: the network.
  ///   - valid: the attachments that stay.
  ///   - always: whether GC also runs for a list of an older version, by plugins that support a version with GC.
  /// - Throws: one error with all failures.
  public func runPluginGC(
    of list: NetworkList, valid: Set<ValidAttachments.Attachment>, always: Bool = false
  ) throws(CNIError) {
    let hasGC = list.version >= Command.gc.since
    guard hasGC || always else { return }
    var adjusted = list
    adjusted.version = max(list.version, Command.gc.since)
    let attachments = JSONValue.array(
      valid.map { ($0.containerID.description, $0.ifname.description) }.sorted { $0 < $1 }.map {
        container, interface in
        .object(["containerID": .string(container), "ifname": .string(interface)])
      })
    var errors: [CNIError] = []
    for plugin in list.plugins {
      do throws(CNIError) {
        if !hasGC { guard try allSupport(plugin.required, adjusted.version) else { continue } }
        // libcni sent the second key before the specification chose the first one.
        let input = try plugin.input(
          for: adjusted, adding: ["cni.dev/valid-attachments": attachments, "cni.dev/attachments": attachments])
        _ = try runner.run(plugin.type, .gc, config: input)
      } catch {
        errors.append(error.prefixed(with: "network \(list.name)"))
      }
    }
    if let error = CNIError(joining: errors) { throw error }
  }

  private func allSupport(_ types: [PluginType], _ version: SpecVersion) throws(CNIError) -> Bool {
    for type in types {
      guard try versions(of: type).contains(version.rawValue) else { return false }
    }
    return true
  }

  /// Whether the network can take attachments.
  public enum Readiness: Equatable, Sendable {
    case ready
    /// Versions before 1.1.0 have no STATUS.
    case notSupported
  }

  /// Runs STATUS of every plugin.
  ///
  /// - Parameters:
  ///   - list: the network.
  ///   - always: whether STATUS also runs for an older list, if all its plugins support a version with STATUS.
  /// - Returns: whether STATUS is supported.
  /// - Throws: the first plugin's error: code 50 if an ADD cannot succeed now, 51 if existing attachments are affected
  ///   too.
  public func status(_ list: NetworkList, always: Bool = false) throws(CNIError) -> Readiness {
    var adjusted = list
    if list.version < Command.status.since {
      guard always, try allSupport(list.requiredPlugins, Command.status.since) else { return .notSupported }
      adjusted.version = Command.status.since
    }
    for plugin in list.plugins {
      do throws(CNIError) {
        _ = try runner.run(plugin.type, .status, config: plugin.input(for: adjusted))
      } catch {
        throw error.prefixed(with: "network \(list.name)")
      }
    }
    return .ready
  }

  /// The versions of the specification that a plugin supports, as its VERSION reports them.
  public func versions(of type: PluginType) throws(CNIError) -> [String] {
    let question = JSONValue.object(["cniVersion": .string(SpecVersion.latest.rawValue)]).bytes
    let output = try runner.run(type, .version, config: question)
    do throws(CNIError) {
      return try CNIJSON.decode(VersionAnswer.self, from: output).supportedVersions
    } catch {
      throw CNIError(.decodingFailure, "plugin \(type) VERSION", details: error.text)
    }
  }

  /// - Throws: code 1 with each plugin that does not support the list's version, and with the versions it supports;
  ///   code 7 for a missing plugin.
  public func checkVersions(_ list: NetworkList) throws(CNIError) {
    var errors: [CNIError] = []
    for plugin in list.plugins {
      do throws(CNIError) {
        let supported = try versions(of: plugin.type)
        guard !supported.contains(list.version.rawValue) else { continue }
        throw CNIError(
          .incompatibleVersion,
          "network \(list.name) is written for version \(list.version.rawValue), which plugin \(plugin.type) does not support",
          details: "it supports \(supported.joined(separator: ", "))")
      } catch {
        errors.append(error)
      }
    }
    if let error = CNIError(joining: errors) { throw error }
  }
}

private struct VersionAnswer: JSONReadable {
  var supportedVersions: [String]
  init(_ json: JSONReader) throws(CNIError) { supportedVersions = try json.texts("supportedVersions") ?? [] }
}

extension NetworkAttachment {
  /// The attachment as GC identifies it.
  public var key: ValidAttachments.Attachment {
    ValidAttachments.Attachment(containerID: owner.container, ifname: owner.interface)
  }
}
