import Kernel
import NetTypes

extension LiveKernel {
  mutating func set(_ vlans: PortVLANs, on name: InterfaceName, _ change: Change) throws(KernelError) {
    try host.socket.set(vlans, on: linkIndex(name, .host, change), doing: "\(change)")
  }
}
