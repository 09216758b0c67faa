import CNI
import Kernel
import NetTypes
import PacketFilter

extension Wanted {
  mutating func guardSource(_ guarded: SourceGuard, _ owner: ElementOwner) throws(KernelError) {
    try Words.check(name: guarded.port.description)
    add(Layout.guarded, [.interface(guarded.port)], .jump(Table.bridge.anchor), owner)
    add(Layout.allowed, [.interface(guarded.port), .mac(guarded.mac)], .none, owner)
  }

  /// The first element keeps the table as long as its owner has rules.
  mutating func guardAddresses(_ guarded: AddressGuard, _ owner: ElementOwner) throws(KernelError) {
    try Words.check(name: guarded.port.description)
    add(Layout.frameOwners, [.hash(Owner.shortHash(owner.comment))], .jump(Table.bridge.anchor), owner)
    add(Layout.addressed, [.interface(guarded.port)], .jump(Layout.sources), owner)
    for address in guarded.addresses {
      add(Layout.sources(address.family), [.interface(guarded.port), .address(address)], .none, owner)
    }
  }
}
