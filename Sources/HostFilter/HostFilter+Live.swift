import Kernel
import Nftables
import PacketFilter

extension HostFilter {
  /// This host's.
  public init() { self.init(iptables: AbsentBackend(), nftables: NftablesBackend()) }
}

private struct AbsentBackend: FilterBackend {
  private var error: KernelError { KernelError("use libiptc", errno: 95, reason: "not built yet") }
  func add(_ claim: Claim) throws(KernelError) { throw error }
  func remove(_ tag: String, _ part: Part, known: [Rule]?) throws(KernelError) { throw error }
  func missing(from claim: Claim) throws(KernelError) -> [Rule] { throw error }
  func tags(_ part: Part, prefix: String) throws(KernelError) -> Set<String> { throw error }
  func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder] { throw error }
  func probe() throws(KernelError) { throw error }
}
