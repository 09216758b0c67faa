public import CNI
public import Kernel
public import NetTypes
import PacketFilter

/// Whether what a container sends must come from its own addresses.
public enum AddressGuarding: Equatable, Sendable {
  case no
  /// Where the host has nf_tables and the container an address.
  case ifPossible
  case yes

  /// - Parameters:
  ///   - wanted: the key `ipspoofchk`.
  ///   - isDefault: whether it is on without the key.
  ///   - ipam: who hands out addresses.
  ///   - other: a key by which packets with other addresses come from the container, if it is set.
  /// - Throws: code 7 where there is nothing to check by.
  public init(_ wanted: Bool?, isDefault: Bool, ipam: PluginType?, unless other: String?) throws(CNIError) {
    let lacksAddress = ipam.map(\.needsLink) ?? true
    guard wanted == true else {
      self = wanted == nil && isDefault && !lacksAddress && other == nil ? .ifPossible : .no
      return
    }
    if lacksAddress {
      let why = ipam.map { "\($0) may change the address later" } ?? "without \"ipam\" there is no address to check"
      throw CNIError(.invalidNetworkConfig, "key \"ipspoofchk\": true: \(why): want another \"ipam\", or false")
    }
    if let other {
      throw CNIError(
        .invalidNetworkConfig, "keys \"ipspoofchk\" and \"\(other)\": its frames have other addresses: want one of them"
      )
    }
    self = .yes
  }

  /// The same for this host.
  public func settled<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> AddressGuarding {
    guard self == .ifPossible else { return self }
    return try kernel.filter.has(.nftables) ? self : .no
  }

  /// What makes it so.
  public func changes(_ owner: Owner, _ addressing: Addressing) -> [Change] {
    let addresses = addressing.ips.map(\.address.address)
    guard self != .no, !addresses.isEmpty else { return [] }
    let rule = Rule.guardAddresses(AddressGuard(owner.hostInterface, addresses))
    return [.addRules(Claim(owner, .guards, [rule], backend: .nftables))]
  }
}
