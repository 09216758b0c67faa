import CNI
import Linux
import NetTypes

/// `CNI_COMMAND=VALIDATE`, used by `cnictl`: checks a configuration as ADD does before it looks at the host.
///
/// The CNI specification has no such command. The answer is `{"cniVersion": …, "errors": [{"code", "msg", "details"},
/// …], "plans": true}` with status 0 even if there are errors; `plans` is for a plugin with `CNI_PLAN`. Another vendor's
/// plugin refuses the command with another status.
struct SettingsCheck<P: Plugin & ~Copyable>: ~Copyable {
  static var command: String { "VALIDATE" }

  private let plugin: P
  private let input: [UInt8]

  init(_ plugin: consuming P, of input: [UInt8]) {
    self.plugin = plugin
    self.input = input
  }

  func answer() -> JSONValue {
    var errors: [JSONValue] = []
    do throws(CNIError) { try check() } catch {
      errors.append(
        .object([
          "code": .integer(Int64(error.code.rawValue)), "msg": .string(error.message),
          "details": .string(error.details),
        ]))
    }
    return .object(["cniVersion": .string(SpecVersion.latest.rawValue), "errors": .array(errors), "plans": .bool(true)])
  }

  /// The same steps as for ADD, up to the plugin's own checks.
  private func check() throws(CNIError) {
    let document = try Document(input, refusingRepeatedKeys: P.refusesRepeatedKeys)
    let header: NetworkHeader = try document.read()
    let name = try header.checkedName()
    _ = try header.checkedType()
    let ipam = try header.checkedIPAMType()
    _ = try SpecVersion(configured: header.cniVersion)
    guard let container = ContainerID("validate"), let interface = InterfaceName("eth0") else { return }
    let delegates = Delegates(ipam: P.isIPAMPlugin ? nil : ipam) { type, command, _ throws(CNIError) in
      throw CNIError(.delegateFailed, "plugin \(type) \(command.rawValue): not run by VALIDATE")
    }
    try plugin.checkSettings(
      Call(
        owner: AttachmentID(network: name, container: container, interface: interface),
        namespacePath: "\(StatePaths.namespaces)/\(container)",
        config: try document.read(), keys: try document.read(), delegates: delegates))
  }
}
