import Kernel
import NetTypes

extension LiveKernel {
  mutating func addLoopbackRoute(_ name: InterfaceName, doing operation: String) throws(KernelError) {
    let index = try index(of: name, on: .host, for: operation)
    do throws(KernelError) {
      try host.socket.perform(Request.addLoopbackRoute(index, doing: operation))
    } catch  where error.errno == .EEXIST {}
  }
}
