import CNI
import Kernel
import NetTypes

/// The values of an interface before ADD changed them, in the reference plugin's format plus three keys of ours.
struct Backup: JSONReadable, Equatable, Sendable {
  /// `nil` if the reference plugin wrote it.
  var network: NetworkName?
  /// The attachment, if the file name is a hash of it.
  var attachment: String?
  /// Only the values that ADD was to change.
  var link: LinkChange
  var sysctls: [Sysctl] = []

  init(network: NetworkName, link: LinkChange, sysctls: [Sysctl]) {
    self.network = network
    self.link = link
    self.sysctls = sysctls
  }

  init(_ json: JSONReader) throws(CNIError) {
    network = try json.parsed("network")
    attachment = try json.text("attachment")
    link = LinkChange(
      isPromiscuous: try json.flag("promisc"), isAllMulticast: try json.flag("allmulti"),
      mtu: try json.integer("mtu"), txQueueLength: try json.integer("txQLen"), mac: try json.parsed("mac"))
    guard let settings = json["sysctl"], let members = settings.value.object else { return }
    for (key, value) in members {
      // Names are checked, so that a process that can write this file cannot change other sysctls through us.
      guard let name = SysctlName("/\(key)"), case .string(let text) = value else { throw settings.refusal("settings") }
      sysctls.append(Sysctl(name.path(for: nil), text, isOptional: true))
    }
    sysctls = sysctls.inOrder
  }

  /// The file's content.
  var json: JSONValue {
    let values: [String: JSONValue] = sysctls.reduce(into: [:]) { $0[$1.key] = $0[$1.key] ?? .string($1.value) }
    return .record([
      "network": .text(network), "attachment": .text(attachment), "mac": .text(link.mac), "mtu": .number(link.mtu),
      "txQLen": .number(link.txQueueLength), "promisc": link.isPromiscuous.map { .bool($0) },
      "allmulti": link.isAllMulticast.map { .bool($0) },
      "sysctl": values.isEmpty ? nil : .object(values),
    ])
  }

  /// This backup, with the values that only `later` has: a second `tuning` in the chain changes more of the interface.
  func completed(by later: Backup) -> Backup {
    var all = self
    all.network = later.network
    all.link.mac = link.mac ?? later.link.mac
    all.link.mtu = link.mtu ?? later.link.mtu
    all.link.txQueueLength = link.txQueueLength ?? later.link.txQueueLength
    all.link.isPromiscuous = link.isPromiscuous ?? later.link.isPromiscuous
    all.link.isAllMulticast = link.isAllMulticast ?? later.link.isAllMulticast
    all.sysctls += later.sysctls.filter { setting in !sysctls.contains { $0.key == setting.key } }
    return all
  }
}
