import Iptables
import Nftables

extension HostFilter {
  /// The filter of this host.
  public init() { self.init(iptables: IptablesBackend(), nftables: NftablesBackend(), zones: Firewalld()) }
}
