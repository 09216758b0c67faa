import Kernel
import Linux
import NetTypes

extension LiveKernel {
  /// Looks again and again; a daemon that is silent is no reason to refuse anything.
  mutating func awaitWithdrawal(_ spec: FDBSpec) throws(KernelError) {
    guard let link = try link(spec.interface, on: .host) else { return }
    let deadline = Clock.now.advanced(bySeconds: 1)
    while try host.socket.forwarding(of: link).contains(spec), Clock.now < deadline {
      Clock.sleep(milliseconds: 10)
    }
  }
}
