import Glibc
import Kernel
import Linux
import NetTypes

extension LiveKernel {
  mutating func announce(_ address: IPAddress, from name: InterfaceName, doing operation: String) throws(KernelError) {
    guard let link = try link(name, on: .host) else { throw KernelError(errno: ENODEV, doing: operation) }
    guard let mac = link.mac else { return }
    try within(.host) { () throws(KernelError) in
      try Announcement.send(address.bytes, at: mac.bytes, link: link.index, doing: operation)
    }
  }
}
