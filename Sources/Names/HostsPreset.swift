public import CNI

/// Where the files of each container of a network are.
///
/// `files` chooses a place for all three, `hostsFile`, `resolvConf` and `hostnameFile` one of their own for each.
/// `false` leaves one of them out.
public struct FileTemplates: JSONReadable, Equatable, Sendable {
  public var hosts: PathTemplate?
  public var resolvConf: PathTemplate?
  public var hostname: PathTemplate?

  /// A place that is known for all three files.
  enum Preset: String, CaseIterable {
    /// What `ip netns exec` shows as `/etc/hosts`, `/etc/resolv.conf` (see ip-netns(8)).
    case netns
    /// Where Mesos' `network/cni` isolator takes them from.
    case mesos
    /// A directory for each container below `dir`: fits every runtime that is told what to mount.
    case dir

    /// The template of the directory; `base` is the key `dir`.
    func directory(_ base: String) -> String {
      switch self {
      case .netns: "/etc/netns/{netnsName}"
      case .mesos: "/var/run/mesos/isolators/network/cni/{containerID}"
      case .dir: "\(base)/{containerID}"
      }
    }
  }

  /// Beside the state of `dns-hosts`, where no network's name can meet it.
  public static let defaultDirectory = "/run/cni/containers"

  public init(_ json: JSONReader) throws(CNIError) {
    let preset = try Self.preset(json["files"])
    let base = try json.filledText("dir") ?? Self.defaultDirectory
    let isDirUsed = preset == .dir
    if let given = json["dir"], !isDirUsed { throw given.refusal("it only with \"files\": \"dir\"") }
    func template(_ key: String, _ name: String) throws(CNIError) -> PathTemplate? {
      if json[key]?.value == .bool(false) { return nil }
      if let given = try json.filledText(key) { return try PathTemplate(given, key: key) }
      return try PathTemplate("\(preset.directory(base))/\(name)", key: isDirUsed ? "dir" : "files")
    }
    hosts = try template("hostsFile", "hosts")
    resolvConf = try template("resolvConf", "resolv.conf")
    hostname = try template("hostnameFile", "hostname")
  }

  private static func preset(_ json: JSONReader?) throws(CNIError) -> Preset {
    guard let json, json.value != .string("") else { return .dir }
    guard let preset = Preset(rawValue: try json.text()) else {
      throw json.refusal("one of \(Preset.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return preset
  }
}
