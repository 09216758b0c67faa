import CNI
import Names
import NetTypes
import PluginKit

/// The content and paths of a container's `resolv.conf` and `hostname`.
struct TextSettings: Equatable {
  /// `nil` for a network without this file.
  var resolvConf: ContainerPath?
  var hostnameFile: ContainerPath?
  /// `nil` if the container's ID is no valid host name and no other is given.
  var hostname: HostName?
  /// Name servers in front of all others.
  var nameservers: [IPAddress] = []
  /// The search domain if no other source sets one.
  var searchDomain: SearchDomain?
  private var keys: RuntimeKeys

  /// - Throws: code 7 for a value that is not valid.
  init(_ call: Call<DNSHostsConfig>) throws(CNIError) {
    keys = call.keys
    func path(_ template: PathTemplate?) throws(CNIError) -> ContainerPath? {
      try template?.path(for: call.owner, namespacePath: call.namespacePath)
    }
    resolvConf = try path(call.config.files?.resolvConf)
    hostnameFile = try path(call.config.files?.hostname)
    hostname = call.config.hostname ?? OwnLines.shortName(call.owner.container)
    // Checks the values before any change; `entries` reports the notes later.
    var unused: [String] = []
    _ = try keys.partialResolvConf(previous: DNS(), notes: &unused)
  }

  func entries(previous: DNS) throws(CNIError) -> PartialResolvConf {
    var notes: [String] = []
    var entries = try keys.partialResolvConf(previous: previous, notes: &notes)
    entries.nameservers = nameservers + entries.nameservers.filter { !nameservers.contains($0) }
    if entries.domain == nil, entries.search.isEmpty, let searchDomain { entries.search = [searchDomain] }
    for note in notes { warn(note) }
    return entries
  }
}

extension DNSHosts where Store: ~Copyable {
  func texts(_ stateDir: String) -> ContainerTextFiles {
    ContainerTextFiles(StateDirectory(stateDir), warn: { warn($0) }, willChange: willChange)
  }

  /// Writes the container's `resolv.conf` and `hostname`.
  ///
  /// - Parameters:
  ///   - settings: their content and paths.
  ///   - member: the attachment.
  ///   - previous: `dns` of `prevResult`.
  ///   - texts: the files.
  /// - Returns: `dns` for this attachment's CNI result.
  /// - Throws: code 7 for an invalid `dns` in `prevResult`, code 100 for a file that cannot be written.
  func write(
    _ settings: TextSettings, of member: Member, _ previous: DNS, _ texts: ContainerTextFiles
  ) throws(CNIError) -> DNS {
    let entries = try settings.entries(previous: previous)
    let hasIPv6 = member.addresses.contains { $0.family == .v6 && !$0.isLinkLocal }
    let holder = ManagedTextFile.Holder(member.owner, entries, hasIPv6: hasIPv6)
    try convertingErrors { () throws(KernelError) in
      if let path = settings.resolvConf { try texts.add(.resolvConf, at: path, for: member.owner, holder) }
      if let path = settings.hostnameFile, let name = settings.hostname {
        try texts.add(.hostname, at: path, for: member.owner, holder, text: "\(name)\n")
      }
    }
    return try convertingErrors { () throws(KernelError) in try texts.dns(for: holder) }
  }
}
