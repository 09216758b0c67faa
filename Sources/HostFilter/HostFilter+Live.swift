import Iptables
import Nftables

extension HostFilter {
  /// This host's.
  public init() { self.init(iptables: IptablesBackend(), nftables: NftablesBackend(), zones: Firewalld()) }
}
