import NetTypes

/// Equals `ip address add PREFIX dev NAME`.
struct AddAddress: CustomStringConvertible {
  let spec: AddressSpec

  var description: String { "add address \(spec)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    transaction.isOurs(spec.interface, on: spec.netns) ? [] : [.deleteAddress(spec)]
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    try spec.exists(on: &kernel) ? [] : ["\(spec.netns) address \(spec.prefix) is missing on \(spec.interface)"]
  }
}

/// Equals `ip address delete PREFIX dev NAME`.
struct DeleteAddress: CustomStringConvertible {
  let spec: AddressSpec

  var description: String { "delete address \(spec)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    [.addAddress(spec)]
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    try spec.exists(on: &kernel) ? ["\(spec.netns) address \(spec.prefix) is still on \(spec.interface)"] : []
  }
}

/// Waits until duplicate address detection is complete on a link in the container.
struct AwaitDAD: CustomStringConvertible {
  let name: InterfaceName

  var description: String { "wait for duplicate address detection on \(name) in the container" }
}

/// Sends gratuitous ARP and unsolicited NA.
struct Announce: CustomStringConvertible {
  let addresses: [IPAddress]
  let mac: MACAddress
  let name: InterfaceName

  var description: String { "announce \(addresses.map { $0.description }.joined(separator: " ")) at \(mac) on \(name)" }
}

extension AddressSpec: CustomStringConvertible {
  public var description: String { "\(prefix) on \(interface)\(netns.suffix)" }
}

extension AddressSpec {
  fileprivate func exists<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> Bool {
    let found = try nilIfLinkMissing { () throws(KernelError) in try kernel.addresses(of: interface, on: netns) }
    return found?.contains(prefix) == true
  }
}
