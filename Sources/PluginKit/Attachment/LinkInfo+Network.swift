public import CNI
public import Kernel
import NetTypes

extension LinkInfo {
  /// Whether it is the host end of an attachment to `network`: by its alias, or by its name if it has none yet.
  public func isEnd(of network: NetworkName) -> Bool {
    if let alias { return alias.hasPrefix(Owner.tagPrefix(network)) && alias != Owner.tagPrefix(network) }
    let prefix = Owner.hostInterfacePrefix(network)
    return name.description.hasPrefix(prefix) && name.description.count == prefix.count + 8
  }
}
