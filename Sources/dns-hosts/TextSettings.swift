import CNI
import Names
import NetTypes
import PluginKit

/// What a container's `resolv.conf` and `hostname` are to hold, and where they are.
struct TextSettings: Equatable {
  /// `nil` for a network without.
  var resolvConf: ContainerPath?
  var hostnameFile: ContainerPath?
  /// `nil` where the container's identifier is no host name.
  var hostname: HostName?
  /// Asked before all others.
  var nameservers: [IPAddress] = []
  /// Counts where nobody says another.
  var searchDomain: SearchDomain?
  private var keys: RuntimeKeys

  /// - Throws: code 7 for a value that cannot be.
  init(_ call: Call<DNSHostsConfig>) throws(CNIError) {
    keys = call.keys
    func path(_ template: PathTemplate?) throws(CNIError) -> ContainerPath? {
      try template?.path(for: call.owner, namespacePath: call.namespacePath)
    }
    resolvConf = try path(call.config.files?.resolvConf)
    hostnameFile = try path(call.config.files?.hostname)
    hostname = call.config.hostname ?? OwnLines.shortName(call.owner.container)
    // Wrong values are refused before anything is made, and told once that is done.
    var unused: [String] = []
    _ = try keys.resolvConfWish(previous: DNS(), notes: &unused)
  }

  func wish(previous: DNS) throws(CNIError) -> ResolvConfWish {
    var notes: [String] = []
    var wish = try keys.resolvConfWish(previous: previous, notes: &notes)
    wish.nameservers = nameservers + wish.nameservers.filter { !nameservers.contains($0) }
    if wish.domain == nil, wish.search.isEmpty, let searchDomain { wish.search = [searchDomain] }
    for note in notes { warn(note) }
    return wish
  }
}

extension DNSHosts {
  func texts(_ stateDir: String) -> LiveTexts {
    LiveTexts(StateDirectory(stateDir), warn: { warn($0) }, willChange: willChange)
  }

  /// Writes the container's `resolv.conf` and `hostname`.
  ///
  /// - Parameters:
  ///   - settings: what they are to hold.
  ///   - member: the attachment.
  ///   - previous: `dns` of the result that came in.
  ///   - texts: the files.
  /// - Returns: the name service to answer, this attachment's own.
  /// - Throws: code 7 for a wrong `dns` of that result, code 100 for a file that cannot be written.
  func write(
    _ settings: TextSettings, of member: Member, _ previous: DNS, _ texts: LiveTexts
  ) throws(CNIError) -> DNS {
    let wish = try settings.wish(previous: previous)
    let hasIPv6 = member.addresses.contains { $0.family == .v6 && !$0.isLinkLocal }
    let holder = KeptText.Holder(member.owner, wish, hasIPv6: hasIPv6)
    try translating { () throws(KernelError) in
      if let path = settings.resolvConf { try texts.add(.resolvConf, at: path, for: member.owner, holder) }
      if let path = settings.hostnameFile, let name = settings.hostname {
        try texts.add(.hostname, at: path, for: member.owner, holder, text: "\(name)\n")
      }
    }
    return try translating { () throws(KernelError) in try texts.answer(holder) }
  }
}
