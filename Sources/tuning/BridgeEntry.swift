import Kernel
import NetTypes

extension Kernel where Self: ~Copyable {
  /// What the bridge that the container's link leads to was given for the link's MAC address; `nil` where the other end
  /// is no port of a bridge on the host, or one that learns.
  mutating func bridgeEntry(of link: LinkInfo) throws(KernelError) -> FDBSpec? {
    guard link.kind == "veth", let mac = link.mac, let index = link.peer,
      let port = try self.link(index: index, on: .host), port.kind == "veth", port.peer == link.index,
      port.port?.learning == false
    else { return nil }
    return try forwarding(of: port.name).first { $0.mac == mac }
  }
}

extension [Change] {
  /// With what keeps a bridge's entry that of the link's MAC address: there is one before frames need it.
  func following(_ entry: FDBSpec?) -> [Change] {
    guard let entry else { return self }
    return flatMap { change -> [Change] in
      guard case .changeLink(_, on: .container, let wanted) = change, let mac = wanted.mac, mac != entry.mac else {
        return [change]
      }
      var next = entry
      next.mac = mac
      return [.setFDB(next), change, .deleteFDB(entry)]
    }
  }
}
