import CNI
import Kernel
import NetTypes
import PacketFilter

/// The firewalld zone that gets the container's addresses as sources.
struct FirewalldZone: Equatable {
  enum Use {
    /// The configuration names the backend firewalld.
    case always
    /// It names no backend; if firewalld runs, it rejects forwarded packets of sources in no zone.
    case ifRunning
    /// It names another backend.
    case never
  }

  static let backendName = "firewalld"
  fileprivate static let key = "key \"backend\": \"\(backendName)\""

  var name: String
  var use: Use

  /// - Throws: code 2 for a zone with another backend, code 7 for a name that no zone can have.
  init(_ config: FirewallConfig) throws(CNIError) {
    switch config.backend {
    case nil: use = .ifRunning
    case Self.backendName: use = .always
    default: use = .never
    }
    name = config.firewalldZone ?? ZoneSource.defaultZone
    guard let given = config.firewalldZone else { return }
    guard use != .never else {
      throw CNIError(
        .unsupportedField, "key \"firewalldZone\": \"\(given)\": only the firewalld backend has zones")
    }
    // The name becomes a file name (SourceRecords), so it is restricted; firewalld itself checks its other rules for
    // names.
    guard given.utf8.count <= 128, !given.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }), !given.contains("%"),
      !given.contains("@")
    else {
      throw CNIError(.invalidNetworkConfig, "key \"firewalldZone\": \"\(given)\": want the name of a zone")
    }
  }
}

extension FirewallSettings {
  /// Whether rules are needed in nftables or iptables.
  var needsTables: Bool { zone.use != .always || ingressPolicy != .open }
}

extension FirewallConfig {
  /// Whether it needs only sources of a zone and no rules in nftables or iptables.
  var isForZonesOnly: Bool {
    backend == FirewalldZone.backendName && (ingressPolicy ?? "open") == FirewallSettings.IngressPolicy.open.rawValue
  }

  /// The zone in which the reference plugin may have left sources.
  var removalZone: String? {
    backend == nil || backend == FirewalldZone.backendName ? firewalldZone ?? ZoneSource.defaultZone : nil
  }
}

extension FirewallDriver {
  /// The container's addresses as sources of the zone; none if no backend is named and firewalld does not run.
  ///
  /// - Throws: code 100 if firewalld is named and does not run.
  func zoneSourceRules<K: Kernel & ~Copyable>(
    _ addresses: [IPAddress], _ zone: FirewalldZone, on kernel: borrowing K
  ) throws(CNIError) -> [Rule] {
    guard zone.use != .never, !addresses.isEmpty else { return [] }
    if let reason = kernel.filter.firewalldUnavailableReason() {
      guard zone.use == .always else { return [] }
      throw CNIError(.kernelRefused, "\(FirewalldZone.key): \(reason)")
    }
    return addresses.map { .trust(ZoneSource($0, in: zone.name)) }
  }

  /// Why ADD would fail if the configuration names firewalld.
  func zoneObstacle<K: Kernel & ~Copyable>(_ config: FirewallConfig, on kernel: borrowing K) -> String? {
    guard config.backend == FirewalldZone.backendName else { return nil }
    return kernel.filter.firewalldUnavailableReason().map { "\(FirewalldZone.key): \($0)" }
  }
}
