import CNI
import NetTypes

/// The version that plugins report when run by hand.
public let suiteVersion = "2.0.0"

/// The `CNI_*` variables of the runtime, checked.
struct Invocation: Equatable, Sendable {
  var command: Command
  /// `nil` only for commands without a container.
  var container: ContainerID?
  var interface: InterfaceName?
  /// `CNI_NETNS`; empty if it is not set.
  var namespacePath: String
  /// `CNI_ARGS`.
  var argumentsText: String
  /// The directories of `CNI_PATH`.
  var searchPath: [String]
  /// `CNI_NETNS_OVERRIDE`: whether the plugin's own namespace is allowed.
  var overridesNamespaceCheck: Bool
  /// `CNI_PLAN=1`: ADD prints what it would do, and does nothing.
  var isDryRun: Bool

  /// The value of an environment variable; `nil` if it is not set.
  typealias Variables = (String) -> String?

  /// Whether `CNI_COMMAND` is set; without it a plugin only prints its name and versions.
  static func hasCommand(_ environment: (String) -> String?) -> Bool {
    !(environment("CNI_COMMAND") ?? "").isEmpty
  }

  /// - Throws: code 4 with all missing variables, or with the first invalid one.
  init(_ environment: Variables, namespaceRule: NamespaceRule) throws(CNIError) {
    let name = environment("CNI_COMMAND") ?? ""
    func text(_ variable: String) -> String { environment(variable) ?? "" }
    let command = Command(rawValue: name)
    container = try Self.container(text("CNI_CONTAINERID"), for: command)
    interface = try Self.interface(text("CNI_IFNAME"), for: command)
    let required = command?.requiredVariables(namespaceRule) ?? []
    let missing = required.filter { text($0).isEmpty }
    guard missing.isEmpty else {
      throw CNIError(.invalidEnvironment, "required env variables [\(missing.joined(separator: ","))] missing")
    }
    guard let command else { throw CNIError(.invalidEnvironment, "unknown CNI_COMMAND: \(name)") }
    self.command = command
    namespacePath = text("CNI_NETNS")
    argumentsText = text("CNI_ARGS")
    searchPath = text("CNI_PATH").split(separator: ":").map(String.init)
    overridesNamespaceCheck = ["1", "true"].contains(text("CNI_NETNS_OVERRIDE").lowercased())
    isDryRun = try Self.isDryRun(text("CNI_PLAN"), for: command)
  }

  private static func isDryRun(_ text: String, for command: Command) throws(CNIError) -> Bool {
    guard !text.isEmpty, text != "0" else { return false }
    guard text == "1" else {
      throw CNIError(.invalidEnvironment, "CNI_PLAN \"\(text)\": want 1, or unset the variable")
    }
    guard command == .add || command == .version else {
      throw CNIError(
        .invalidEnvironment, "CNI_PLAN=1 with CNI_COMMAND=\(command.rawValue): want ADD",
        details: "only ADD can be planned")
    }
    return command == .add
  }

  private static func container(_ text: String, for command: Command?) throws(CNIError) -> ContainerID? {
    guard command?.hasContainer == true, !text.isEmpty else { return nil }
    guard text.utf8.count <= ContainerID.maximumByteCount else {
      throw CNIError(
        .invalidEnvironment, "container id is too long",
        details: "CNI_CONTAINERID of \(text.utf8.count) bytes: want at most \(ContainerID.maximumByteCount)")
    }
    guard let container = ContainerID(text) else {
      throw CNIError(.invalidEnvironment, "invalid characters in containerID", details: text)
    }
    return container
  }

  private static func interface(_ text: String, for command: Command?) throws(CNIError) -> InterfaceName? {
    guard command?.hasContainer == true, !text.isEmpty else { return nil }
    if let interface = InterfaceName(text) { return interface }
    if text == "." || text == ".." { throw CNIError(.invalidEnvironment, "interface name is . or ..") }
    if text.utf8.count > InterfaceName.maximumByteCount {
      throw CNIError(
        .invalidEnvironment, "interface name is too long",
        details: "CNI_IFNAME \"\(text)\": interface name should be less than 16 characters")
    }
    let isPattern = InterfaceName.ofLink(text) != nil
    throw CNIError(
      .invalidEnvironment, "interface name contains \(isPattern ? "% or *" : "/ or : or whitespace characters")",
      details: "CNI_IFNAME \"\(text)\": want \(InterfaceName.expectedForm)")
  }
}

extension Command {
  var hasContainer: Bool { self == .add || self == .del || self == .check }

  /// The variables that the command needs.
  func requiredVariables(_ rule: NamespaceRule) -> [String] {
    switch self {
    case .add, .check:
      let namespace = rule == .container ? ["CNI_NETNS"] : []
      return ["CNI_CONTAINERID"] + namespace + ["CNI_IFNAME", "CNI_PATH"]
    case .del: return ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"]
    case .gc, .status: return ["CNI_PATH"]
    case .version: return []
    }
  }
}
