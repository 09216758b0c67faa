public import CNI
public import Kernel
public import NetTypes
import PacketFilter

/// Whether packets of a container with another source address than its own are dropped.
public enum SourceAddressCheck: Equatable, Sendable {
  case no
  /// Yes if the host has nf_tables and the container has an address.
  case ifPossible
  case yes

  /// - Parameters:
  ///   - wanted: the key `ipspoofchk`.
  ///   - isDefault: whether it is on without the key.
  ///   - ipam: the IPAM plugin.
  ///   - other: a key that lets the container send packets with other source addresses, if it is set.
  /// - Throws: code 7 if there is no address to check.
  public init(_ wanted: Bool?, isDefault: Bool, ipam: PluginType?, unless other: String?) throws(CNIError) {
    let lacksAddress = ipam.map { $0.needsLink } ?? true
    guard wanted == true else {
      self = wanted == nil && isDefault && !lacksAddress && other == nil ? .ifPossible : .no
      return
    }
    if lacksAddress {
      let reason = ipam.map { "\($0) may change the address later" } ?? "without \"ipam\" there is no address to check"
      throw CNIError(.invalidNetworkConfig, "key \"ipspoofchk\": true: \(reason): want another \"ipam\", or false")
    }
    if let other {
      throw CNIError(
        .invalidNetworkConfig,
        "keys \"ipspoofchk\" and \"\(other)\": the container's frames may have other source addresses: want only one of the keys"
      )
    }
    self = .yes
  }

  /// The setting with `ifPossible` resolved to `no` on a host without nf_tables.
  public func resolved<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> SourceAddressCheck {
    guard self == .ifPossible else { return self }
    return try kernel.filter.has(.nftables) ? self : .no
  }

  /// The changes that add the guard.
  public func changes(_ owner: AttachmentID, _ addressing: Addressing) -> [Change] {
    let addresses = addressing.ips.map { $0.address.address }
    guard self != .no, !addresses.isEmpty else { return [] }
    let rule = Rule.guardAddresses(AddressGuard(owner.hostInterface, addresses))
    return [.addRules(RuleSet(owner, .guards, [rule], backend: .nftables))]
  }
}
