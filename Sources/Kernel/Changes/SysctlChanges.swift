public import CNI
public import NetTypes
import PacketFilter

/// Equals `sysctl -w KEY=VALUE` for each setting.
struct SetSysctls: CustomStringConvertible {
  let settings: [Sysctl]
  let netns: NetNS

  var description: String {
    "set sysctl \(settings.map { "\($0.key)=\($0.value)" }.joined(separator: " "))\(netns.suffix)"
  }

  /// The present settings, without those of links created here; empty if all of them have the wanted values.
  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    var old: [Sysctl] = []
    var isDifferent = false
    for setting in settings where !transaction.isOfCreatedLink(setting, on: netns) {
      guard let value = try transaction.kernel.sysctl(setting.key, on: netns) else { continue }
      // Writing one setting may change others, so settings that have the wanted value may need to be restored too.
      isDifferent = isDifferent || !setting.matches(value)
      old.append(Sysctl(setting.key, value))
    }
    return isDifferent ? [.setSysctls(old, on: netns)] : []
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    var found: [String] = []
    for setting in settings where !setting.isOptional {
      let actual = try kernel.sysctl(setting.key, on: netns)
      if actual.map(setting.matches) != true {
        found.append("\(netns) sysctl \(setting.key) is \(actual ?? "missing"), want \(setting.value)")
      }
    }
    return found
  }
}

/// Equals `sysctl -w net.ipv4.conf.NAME.route_localnet=1`.
struct EnableRouteLocalnet: CustomStringConvertible {
  let name: InterfaceName
  let owner: AttachmentID

  private var setting: Sysctl { .routeLocalnet(name, "1") }

  var description: String { "set sysctl \(setting.key)=1" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    let isOn = try transaction.kernel.sysctl(setting.key, on: .host) == "1"
    // If it was 1 before and no other container needs it, the operator set it.
    if isOn, try !transaction.kernel.filter.needsRouteLocalnet(name, except: [owner]) { return [] }
    return [.disableRouteLocalnet(name, except: [owner])]
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    try SetSysctls(settings: [setting], netns: .host).differences(on: &kernel)
  }
}

/// Equals `sysctl -w net.ipv4.conf.NAME.route_localnet=0`.
///
/// It stays 0 on a link whose rules are about to be removed, so it has no inverse.
struct DisableRouteLocalnet: CustomStringConvertible {
  let name: InterfaceName

  var description: String { "set sysctl \(Sysctl.routeLocalnet(name, "0").key)=0" }
}

extension Kernel where Self: ~Copyable {
  /// Whether other attachments may use the link: no if it is a bridge without other ports, which is cheaper to see than by
  /// searching all records.
  public mutating func hasPorts(
    _ name: InterfaceName, except owners: Set<AttachmentID>
  ) throws(KernelError) -> Bool {
    guard try link(name, on: .host)?.kind == "bridge" else { return true }
    let own = Set(owners.map { $0.hostInterface })
    return try !links(kind: nil, master: name, on: .host).allSatisfy { own.contains($0.name) }
  }
}
