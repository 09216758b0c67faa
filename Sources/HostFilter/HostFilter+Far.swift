public import CNI
import Linux
public import NetTypes
public import PacketFilter

/// What other hosts have of the networks on this one: a file `far/NETWORK`, for policies that are added later.
extension HostFilter {
  private var farDirectory: String { "\(state)/far" }

  private func farPath(_ network: NetworkName) -> String { "\(farDirectory)/\(network)" }

  /// `nil` if nothing is noted, or nothing that can be read: the network's next ADD notes it again.
  public func farNetwork(_ network: NetworkName) throws(KernelError) -> FarNetwork? {
    guard let bytes = try Files.readIfPresent(farPath(network)) else { return nil }
    do throws(CNIError) { return try CNIJSON.decode(FarNetwork.self, from: bytes) } catch { return nil }
  }

  /// The containers on other hosts with that label.
  public func farMembers(with label: Label) throws(KernelError) -> [PeerContents.Member] {
    var members: Set<PeerContents.Member> = []
    for name in try Files.list(farDirectory) ?? [] {
      guard let network = NetworkName(name), let far = try farNetwork(network) else { continue }
      members.formUnion(far.members(with: label))
    }
    return Array(members)
  }

  public mutating func note(_ network: FarNetwork, of name: NetworkName) throws(KernelError) {
    guard try network.completed(by: farNetwork(name)) != farNetwork(name) else { return }
    guard try has(.nftables) else { return }
    try inTurn(.policies) { (filter) throws(KernelError) in
      let old = try filter.farNetwork(name)
      let new = network.completed(by: old)
      try SetAside.makeDirectory(filter.farDirectory, mode: 0o700)
      // A process that is killed leaves the old file, the new one or none, and no other one.
      try Files.remove(filter.farPath(name))
      try Files.create("\(name)", in: filter.farDirectory, new.json.bytes)
      try filter.fill(changesFrom: old, to: new, of: name)
    }
  }

  /// Forgets the network, which has left this host.
  mutating func forgetFarNetwork(_ name: NetworkName) throws(KernelError) {
    guard let old = try farNetwork(name) else { return }
    try Files.remove(farPath(name))
    try Files.removeEmptyDirectory(farDirectory)
    try fill(changesFrom: old, to: nil, of: name)
  }

  private func fill(changesFrom old: FarNetwork?, to new: FarNetwork?, of name: NetworkName) throws(KernelError) {
    if old?.prefixes ?? [] != new?.prefixes ?? [] { try fill(.network(name)) }
    for label in Set((old?.labels ?? []) + (new?.labels ?? [])) {
      let before = Set(old?.members(with: label) ?? []), after = Set(new?.members(with: label) ?? [])
      if before != after { try fill(.label(label)) }
    }
  }
}

extension FarNetwork {
  fileprivate var labels: [Label] { (members ?? []).flatMap { $0.labels } }

  fileprivate func members(with label: Label) -> [PeerContents.Member] {
    (members ?? []).filter { $0.labels.contains(label) }.map { PeerContents.Member($0.address, behind: link) }
  }

  /// With the members that were noted before, if it does not know them.
  fileprivate func completed(by old: FarNetwork?) -> FarNetwork {
    var complete = self
    complete.members = members ?? old?.members ?? []
    return complete
  }
}
