import CNI
import Kernel
import NetTypes

/// The container's present values.
struct TuningHostState: Equatable {
  /// `nil` if there is no such interface.
  var link: LinkInfo?
  /// The FDB entry for the link on a bridge that does not learn; read only if the MAC address is to change.
  var entry: FDBSpec?
  /// The present values of the wanted sysctls, as far as the kernel has them.
  var sysctls: [Sysctl]
}

/// All changes of an ADD, decided before any is made.
struct TuningPlan: Equatable {
  /// The values for DEL to restore.
  var backup: Backup
  var changes: [Change]
  var result: AddResult

  /// - Throws: code 7 for a value that is not possible in this container.
  init(
    _ settings: TuningSettings, _ hostState: TuningHostState, owner: AttachmentID, previous: AddResult
  ) throws(CNIError) {
    for sysctl in settings.sysctls where !hostState.sysctls.contains(where: { $0.key == sysctl.key }) {
      throw CNIError(.invalidNetworkConfig, "sysctl \(sysctl.key): the container has no such sysctl")
    }
    // Values that are right already are not set, for example a MAC address that the previous plugin set too.
    var linkChange = LinkChange()
    var before = LinkChange()
    if settings.link != LinkChange() {
      guard let link = hostState.link else {
        throw CNIError(.invalidNetworkConfig, "CNI_IFNAME \(owner.interface): the container has no such interface")
      }
      linkChange = settings.link.difference(from: link)
      before = try linkChange.presentValues(in: link)
    }
    if let mtu = settings.link.mtu, mtu < TuningSettings.lowestMTUForIPv6,
      previous.hasIPv6(on: owner.interface)
    {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"mtu\": \(mtu): want \(TuningSettings.lowestMTUForIPv6) or more, \(owner.interface) has IPv6 addresses")
    }
    // All sysctls are set or none, since one may change others, and so does the MTU.
    let areSysctlsSet =
      linkChange.mtu == nil && zip(settings.sysctls, hostState.sysctls).allSatisfy { $0.matches($1.value) }
    backup = Backup(network: owner.network, link: before, sysctls: areSysctlsSet ? [] : hostState.sysctls)
    changes = Self.changes(linkChange, areSysctlsSet ? [] : settings.sysctls, of: owner.interface)
      .updatingFDBEntry(hostState.entry)
    result = previous.updated(owner.interface, settings.link)
  }

  /// One change for each value, so that each is rolled back by itself.
  ///
  /// The MTU comes before the sysctls, because it resets those of IPv6; the MAC address comes after them, because they
  /// decide whether it is announced.
  static func changes(_ link: LinkChange, _ sysctls: [Sysctl], of name: InterfaceName) -> [Change] {
    let first = [LinkChange(mtu: link.mtu), LinkChange(txQueueLength: link.txQueueLength)]
    let last = [
      LinkChange(mac: link.mac), LinkChange(isAllMulticast: link.isAllMulticast),
      LinkChange(isPromiscuous: link.isPromiscuous),
    ]
    let settings: [Change] = sysctls.isEmpty ? [] : [.setSysctls(sysctls, on: .container)]
    let isNotEmpty = { (change: LinkChange) in change != LinkChange() }
    return first.filter(isNotEmpty).map { .changeLink(name, on: .container, $0) } + settings
      + last.filter(isNotEmpty).map { .changeLink(name, on: .container, $0) }
  }
}

extension LinkChange {
  /// The values that differ from those of `link`.
  fileprivate func difference(from link: LinkInfo) -> LinkChange {
    LinkChange(
      isPromiscuous: isPromiscuous == link.isPromiscuous ? nil : isPromiscuous,
      isAllMulticast: isAllMulticast == link.isAllMulticast ? nil : isAllMulticast, mtu: mtu == link.mtu ? nil : mtu,
      txQueueLength: txQueueLength == link.txQueueLength ? nil : txQueueLength, mac: mac == link.mac ? nil : mac)
  }

  /// The present value of `link` for each value that is set here.
  ///
  /// - Throws: code 7 if the link has no Ethernet address.
  fileprivate func presentValues(in link: LinkInfo) throws(CNIError) -> LinkChange {
    if let mac, link.mac == nil {
      throw CNIError(.invalidNetworkConfig, "MAC address \(mac): \(link.name) has no Ethernet address")
    }
    return LinkChange(
      isPromiscuous: isPromiscuous == nil ? nil : link.isPromiscuous,
      isAllMulticast: isAllMulticast == nil ? nil : link.isAllMulticast, mtu: mtu == nil ? nil : link.mtu,
      txQueueLength: txQueueLength == nil ? nil : link.txQueueLength, mac: mac == nil ? nil : link.mac)
  }
}

extension AddResult {
  /// The container's interface of that name; any of that name if the result has no `sandbox` entries.
  private func indices(of name: InterfaceName) -> [Int] {
    let named = interfaces.indices.filter { interfaces[$0].name == name.description }
    let inside = named.filter { interfaces[$0].sandbox?.isEmpty == false }
    return inside.isEmpty ? named : inside
  }

  fileprivate func hasIPv6(on name: InterfaceName) -> Bool {
    let own = indices(of: name)
    return ips.contains { ip in ip.address.family == .v6 && (ip.interface.map(own.contains) ?? true) }
  }

  /// The result with the interface's new MAC address and MTU.
  fileprivate func updated(_ name: InterfaceName, _ change: LinkChange) -> AddResult {
    var result = self
    for index in indices(of: name) {
      if let mac = change.mac { result.interfaces[index].mac = mac.description }
      if let mtu = change.mtu { result.interfaces[index].mtu = mtu }
    }
    return result
  }
}
