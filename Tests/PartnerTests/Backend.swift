import Iptables
import Linux
import NetTypes
import Nftables
import PacketFilter
import Testing

/// The packet filter backend.
enum Backend: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case iptables, nftables

  var testDescription: String { rawValue }

  /// Runs `body` with the backend in the namespace at `path`.
  func use<Value>(
    in path: String, _ body: (any FilterBackend) throws(KernelError) -> Value
  ) throws(KernelError) -> Value {
    try Namespace.open(path).enter { () throws(KernelError) in
      let backend: any FilterBackend =
        switch self {
        case .iptables: IptablesBackend()
        case .nftables: NftablesBackend()
        }
      return try body(backend)
    }
  }
}
