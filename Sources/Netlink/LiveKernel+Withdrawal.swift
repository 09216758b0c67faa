import Kernel
import Linux
import NetTypes

extension LiveKernel {
  /// Waits up to a second until another program has deleted the FDB entry; if it stays, that is no error.
  mutating func awaitWithdrawal(_ spec: FDBSpec) throws(KernelError) {
    guard let link = try link(spec.interface, on: .host) else { return }
    let deadline = Clock.now.advanced(bySeconds: 1)
    while try host.socket.forwarding(of: link).contains(spec), Clock.now < deadline {
      Clock.sleep(milliseconds: 10)
    }
  }
}
