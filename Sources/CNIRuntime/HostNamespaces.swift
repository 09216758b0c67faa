import Linux
import NetTypes

/// The network namespaces that this process can see.
public enum HostNamespaces {
  /// A path to each namespace except this process's: named ones, mounted ones, and those of processes.
  public static func paths() -> [String] {
    // A directory that cannot be listed counts as empty.
    let processes = ((try? Files.list("/proc")) ?? []).filter { Int($0) != nil }
    let named = StatePaths.namespaceSpellings.flatMap { directory in
      ((try? Files.list(directory)) ?? []).map { "\(directory)/\($0)" }
    }
    var seen: Set<FileIdentity> = []
    if let own = identity("/proc/self/ns/net") { seen.insert(own) }
    var paths: [String] = []
    for path in named + mounted() + processes.map({ "/proc/\($0)/ns/net" }) {
      guard let identity = identity(path), seen.insert(identity).inserted else { continue }
      paths.append(path)
    }
    return paths
  }

  private static func identity(_ path: String) -> FileIdentity? {
    guard let status = try? Files.status(path) else { return nil }
    return FileIdentity(device: status.device, inode: status.inode)
  }

  private static func mounted() -> [String] {
    let table = (try? Files.read("/proc/self/mountinfo")) ?? []
    return mountPoints(String(decoding: table, as: UTF8.self))
  }

  /// The mount points of network namespaces in the lines of `/proc/self/mountinfo`.
  static func mountPoints(_ table: String) -> [String] {
    table.split(whereSeparator: \.isNewline).compactMap { line in
      let fields = line.split(separator: " ")
      guard fields.count > 4, fields[3].hasPrefix("net:["), !fields[4].contains("\\") else { return nil }
      return String(fields[4])
    }
  }

  /// The containers that a plugin process is attaching to this host now.
  public static func attachmentsInProgress() -> Set<ContainerInterfaceName> {
    let processes = ((try? Files.list("/proc")) ?? []).filter { Int($0) != nil }
    let host = identity("/proc/self/ns/net")
    return Set(
      processes.compactMap { process in
        guard identity("/proc/\(process)/ns/net") == host else { return nil }
        // A process that ended meanwhile attaches nothing any more.
        guard let bytes = try? Files.read("/proc/\(process)/environ") else { return nil }
        return ContainerInterfaceName(environment: bytes)
      })
  }
}

/// A container and an interface, as `CNI_CONTAINERID` and `CNI_IFNAME` name them.
public struct ContainerInterfaceName: Hashable, Sendable {
  public var container: String
  public var interface: String

  public init(container: String, interface: String) {
    self.container = container
    self.interface = interface
  }

  /// `nil` unless it is the environment of a plugin's ADD.
  init?(environment bytes: [UInt8]) {
    let variables = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    let value = { (name: String) in
      variables.first { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.count + 1)) }
    }
    guard value("CNI_COMMAND") == "ADD", let container = value("CNI_CONTAINERID"), let interface = value("CNI_IFNAME")
    else { return nil }
    self.init(container: container, interface: interface)
  }
}
