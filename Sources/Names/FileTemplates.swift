public import CNI
import NetTypes

/// The path templates of the `hosts`, `resolv.conf` and `hostname` files of a network's containers.
///
/// The key `files` chooses a preset for all three; `hostsFile`, `resolvConf` and `hostnameFile` override the path of
/// one. `false` in place of a path turns that file off.
public struct FileTemplates: JSONReadable, Equatable, Sendable {
  public var hosts: PathTemplate?
  public var resolvConf: PathTemplate?
  public var hostname: PathTemplate?

  /// A well-known directory for all three files.
  enum Preset: String, CaseIterable {
    /// The directory whose files `ip netns exec` mounts over `/etc/hosts` and `/etc/resolv.conf` (ip-netns(8)).
    case netns
    /// The directory from which Mesos' `network/cni` isolator reads them.
    case mesos
    /// A directory for each container below `dir`, for every runtime whose mounts can be configured.
    case dir

    /// The template of the directory; `base` is the key `dir`.
    func directory(_ base: String) -> String {
      switch self {
      case .netns: "/etc/netns/{netnsName}"
      case .mesos: "\(StatePaths.mesosContainers)/{containerID}"
      case .dir: "\(base)/{containerID}"
      }
    }
  }

  public init(_ json: JSONReader) throws(CNIError) {
    let preset = try Self.preset(json["files"])
    let base = try json.nonEmptyText("dir") ?? StatePaths.containerFiles
    let isDirUsed = preset == .dir
    if let given = json["dir"], !isDirUsed { throw given.refusal("it only with \"files\": \"dir\"") }
    func template(_ key: String, _ name: String) throws(CNIError) -> PathTemplate? {
      if json[key]?.value == .bool(false) { return nil }
      if let given = try json.nonEmptyText(key) { return try PathTemplate(given, key: key) }
      return try PathTemplate("\(preset.directory(base))/\(name)", key: isDirUsed ? "dir" : "files")
    }
    hosts = try template("hostsFile", "hosts")
    resolvConf = try template("resolvConf", "resolv.conf")
    hostname = try template("hostnameFile", "hostname")
  }

  private static func preset(_ json: JSONReader?) throws(CNIError) -> Preset {
    guard let json, json.value != .string("") else { return .dir }
    guard let preset = Preset(rawValue: try json.text()) else {
      throw json.refusal("one of \(Preset.allCases.map { $0.rawValue }.joined(separator: ", "))")
    }
    return preset
  }
}
