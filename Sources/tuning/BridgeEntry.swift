import Kernel
import NetTypes

extension Kernel where Self: ~Copyable {
  /// The static FDB entry for the link's MAC address on its bridge port.
  ///
  /// `nil` if the veth's other end is no bridge port on the host, or if that port learns addresses.
  mutating func bridgeEntry(of link: LinkInfo) throws(KernelError) -> FDBSpec? {
    guard link.kind == "veth", let mac = link.mac, let index = link.peerIndex,
      let port = try self.link(index: index, on: .host), port.kind == "veth", port.peerIndex == link.index,
      port.port?.learning == false
    else { return nil }
    return try fdbEntries(of: port.name).first { $0.mac == mac }
  }
}

extension [Change] {
  /// The changes, with each change of the MAC address between adding the new FDB entry and deleting the old one.
  ///
  /// So the bridge has an entry before it forwards frames to the new address.
  func updatingFDBEntry(_ entry: FDBSpec?) -> [Change] {
    guard let entry else { return self }
    return flatMap { change -> [Change] in
      guard case .changeLink(_, on: .container, let linkChange) = change, let mac = linkChange.mac, mac != entry.mac
      else {
        return [change]
      }
      var next = entry
      next.mac = mac
      return [.setFDB(next), change, .deleteFDB(entry)]
    }
  }
}
