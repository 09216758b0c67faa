public import CNI
public import Kernel
public import NetTypes
public import PacketFilter

/// What it takes to give a container of this host a floating address.
public struct FloatingClaim {
  public private(set) var float: FloatingAddress
  /// Takes the address from the container of this host that has it now.
  public private(set) var releases: [Change] = []
  /// Whether the link has the address, and keeps it.
  private var isPresent = false

  /// Call it under the packet filter's lock.
  ///
  /// - Parameters:
  ///   - float: the address; its `device` is cleared if the link has the address already, so that DEL does not remove it.
  ///   - owner: the attachment that gets it.
  ///   - moves: whether it is taken from another container of this host.
  ///   - earlier: the attachment's recorded floating addresses: those on their links are its own.
  ///   - kernel: the host.
  /// - Throws: code 107 if the address is another attachment's, code 7 if there is no such link.
  public init<K: Kernel & ~Copyable>(
    _ float: FloatingAddress, for owner: AttachmentID, moves: Bool, earlier: [FloatingAddress], on kernel: inout K
  ) throws(CNIError) {
    self.float = float
    let ruleSets = try convertingErrors { () throws(KernelError) in try kernel.filter.ruleSets(.ports) }
    for holder in ruleSets
    where holder.owner != owner && holder.floats.contains(where: { $0.external == float.external }) {
      guard moves else { throw Self.conflict(float.external, holder.owner) }
      releases += try convertingErrors { () throws(KernelError) in
        try holder.releases(of: float.external, on: &kernel)
      }
    }
    try findOnDevice(earlier, on: &kernel)
  }

  private static func conflict(_ address: IPAddress, _ holder: AttachmentID) -> CNIError {
    CNIError(
      .portInUse,
      "map floating address \(address): mapped already for \(AttachmentID.description(ofFilterTag: holder.filterTag)): "
        + "want another address, or \"move\": true")
  }

  private mutating func findOnDevice<K: Kernel & ~Copyable>(
    _ earlier: [FloatingAddress], on kernel: inout K
  ) throws(CNIError) {
    guard let device = float.device, let spec = float.addressSpec else { return }
    let present = try convertingErrors { () throws(KernelError) in
      try kernel.link(device, on: .host) == nil ? nil : kernel.addresses(of: device, on: .host)
    }
    guard let present else {
      throw CNIError(
        .invalidNetworkConfig,
        "add floating address \(float.external) to \(device): no such link: want a link of the host")
    }
    let goes = releases.contains { $0 == .deleteAddress(spec) }
    guard !goes, present.contains(where: { $0.address == float.external }) else { return }
    isPresent = true
    if !earlier.contains(where: { $0.external == float.external && $0.device == device }) { float.device = nil }
  }

  /// Adds the address to its link, after the rules.
  public var additions: [Change] { isPresent ? [] : float.additions }
}

extension RuleSet {
  public var floats: [FloatingAddress] {
    rules.compactMap { if case .float(let float) = $0 { float } else { nil } }
  }

  /// Takes the address from the attachment, whose other rules stay.
  public func releases<K: Kernel & ~Copyable>(
    of address: IPAddress, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    var other = self
    other.rules.removeAll { $0.isFloat(of: address) }
    // Rules after addresses: their record lists these.
    let gone = floats.filter { $0.external == address }
    return try gone.removals(on: &kernel)
      + [other.rules.isEmpty ? .removeRules(owner, role, everywhere: false) : .setRules(other)]
      + gone.connectionRemovals
  }
}

extension Rule {
  public func isFloat(of address: IPAddress) -> Bool {
    if case .float(let float) = self { float.external == address } else { false }
  }
}

extension FloatingAddress {
  /// The address on its device; `nil` if no device gets it.
  var addressSpec: AddressSpec? {
    // Not a source address: connections of the host and of other containers keep their present source.
    device.map { AddressSpec(IPPrefix(host: external), on: $0, .host, isSource: false, isAnnounced: true) }
  }

  public var additions: [Change] { addressSpec.map { [.addAddress($0)] } ?? [] }
}

extension [FloatingAddress] {
  /// Deletes the conntrack entries of these addresses, after a change of their rules.
  public var connectionRemovals: [Change] {
    isEmpty ? [] : [.deleteConntrackEntries(Set(map { ConntrackFilter(all: $0.external) }))]
  }

  /// Removes those that were added to links, except those that `kept` has too.
  public func removals<K: Kernel & ~Copyable>(
    except kept: [FloatingAddress] = [], on kernel: inout K
  ) throws(KernelError) -> [Change] {
    let keptSpecs = kept.compactMap { $0.addressSpec }
    var changes: [Change] = []
    for spec in compactMap({ $0.addressSpec }) where !keptSpecs.contains(spec) {
      // The kernel removes a link's addresses with the link.
      let present = try nilIfLinkMissing { () throws(KernelError) in
        try kernel.addresses(of: spec.interface, on: .host)
      }
      if present?.contains(spec.prefix) == true { changes.append(.deleteAddress(spec)) }
    }
    return changes
  }
}
