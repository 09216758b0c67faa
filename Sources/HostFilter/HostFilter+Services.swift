public import CNI
public import NetTypes
import PacketFilter

extension HostFilter {
  public func needsVirtualAddress(
    _ address: IPAddress, on link: InterfaceName, except owners: Set<AttachmentID>
  ) throws(KernelError) -> Bool {
    try nftables.needsVirtualAddress(address, on: link, except: Set(owners.map { $0.filterTag }))
  }
}
