import CNI
import Kernel
import NetTypes

/// A container's interface that another implementation of the same plugin created.
///
/// Its host end has another name, and nothing has an alias of ours. CHECK compares it with `prevResult`.
struct ForeignAttachment: Equatable {
  let owner: AttachmentID
  /// The host end; `nil` if the interface has none.
  let hostEnd: InterfaceName?

  /// `nil` if the interface is ours or missing.
  init?<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ kind: String, _ previous: AddResult, on kernel: inout K
  ) throws(KernelError) {
    guard let inside = try kernel.link(owner.interface, on: .container), inside.kind == kind,
      inside.alias?.hasPrefix(AttachmentID.tagPrefix) != true,
      !previous.interfaces.contains(where: { $0.name == owner.hostInterface.description })
    else { return nil }
    self.owner = owner
    guard kind == "veth" else {
      hostEnd = nil
      return
    }
    // The host end must be the interface's veth peer and be listed in prevResult.
    guard let peer = inside.peerIndex, let end = try kernel.link(index: peer, on: .host),
      end.alias?.hasPrefix(AttachmentID.tagPrefix) != true,
      previous.interfaces.contains(where: { $0.name == end.name.description })
    else { return nil }
    hostEnd = end.name
  }

  /// The part of our change that CHECK expects of that attachment; `nil` for none.
  func expectation(_ change: Change) -> Change? {
    switch change {
    case .createLink(var spec):
      spec.name = foreignName(spec.name)
      return .createLink(spec)
    // The loopback plugin does this there.
    case .changeLink(let name, .container, _) where name.description == "lo": return nil
    case .changeLink(let name, let netns, var wanted):
      wanted.alias = nil
      wanted.group = nil
      // Ports of the reference plugin learn addresses.
      wanted.port.learning = nil
      wanted.port.locked = nil
      return .changeLink(foreignName(name), on: netns, wanted)
    case .setVLANs(let vlans, let name): return .setVLANs(vlans, on: foreignName(name))
    case .awaitRunning(let name): return .awaitRunning(foreignName(name))
    case .addAddress(var spec):
      spec.interface = foreignName(spec.interface)
      return .addAddress(spec)
    case .addRoute(var spec):
      spec.interface = foreignName(spec.interface)
      // Only our routes have a source address.
      spec.source = nil
      return .addRoute(spec)
    case .setNeighbour(let spec) where spec.interface == owner.hostInterface: return nil
    case .setFDB(let spec) where spec.interface == owner.hostInterface: return nil
    case .setSysctls(_, .container): return nil
    case .setSysctls(let settings, .host):
      return .setSysctls(settings.filter { !$0.key.containsText("/\(owner.hostInterface)/") }, on: .host)
    default: return change
    }
  }

  private func foreignName(_ name: InterfaceName) -> InterfaceName {
    name == owner.hostInterface ? hostEnd ?? name : name
  }
}
