import NetTypes

/// The slots of a running haproxy, as its command `show servers state` prints them.
struct HaproxyState {
  struct Server: Equatable {
    var slot: HaproxyConfig.Slot
    /// Without connections until it is taken in: the slot is free.
    var isInMaintenance: Bool
    /// Whether its health checks succeed.
    var isUp: Bool
  }

  /// By the names of the fronts, in the order of the configuration.
  private(set) var servers: [String: [Server]] = [:]

  init(_ text: String) {
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
      guard words.count > 18, let address = IPAddress(words[4]), let port = UInt16(words[18]),
        let weight = Int(words[7]), let administration = Int(words[6])
      else { continue }
      let server = Server(
        slot: HaproxyConfig.Slot(address, port, weight: weight),
        isInMaintenance: administration & Self.maintenance != 0, isUp: words[5] != "0")
      servers[words[1], default: []].append(server)
    }
  }

  /// The flags SRV_ADMF_FMAINT, IMAINT, RMAINT and HMAINT of haproxy.
  private static let maintenance = 0x63

  var slots: [String: [HaproxyConfig.Slot?]] {
    servers.mapValues { $0.map { $0.isInMaintenance ? nil : $0.slot } }
  }

  /// Whether it has exactly the configuration's fronts and numbers of slots.
  func hasShape(of config: HaproxyConfig) -> Bool {
    servers.count == config.fronts.count
      && config.fronts.allSatisfy { servers[$0.name]?.count == $0.slots.count }
  }

  /// Whether each slot has its member of the configuration.
  func isUpToDate(_ config: HaproxyConfig) -> Bool {
    let slots = slots
    return hasShape(of: config) && config.fronts.allSatisfy { slots[$0.name] == $0.slots }
  }

  /// The commands that give the slots their members.
  func commands(for config: HaproxyConfig) -> [String] {
    let present = slots
    return config.fronts.flatMap { front in
      zip(present[front.name] ?? [], front.slots).enumerated().compactMap { (index, pair) in
        let server = "\(front.name)/\(HaproxyConfig.Front.slotName(index))"
        let (old, new) = pair
        guard old != new else { return nil }
        guard let new else { return "set server \(server) state maint; shutdown sessions server \(server)" }
        let weight = "set server \(server) weight \(new.weight)"
        if let old, old.isSame(new) { return weight }
        return "set server \(server) addr \(new.address) port \(new.port); \(weight); set server \(server) state ready"
      }
    }
  }

  /// The member's server; `nil` if no slot has it.
  func server(_ member: HaproxyConfig.Slot, of front: String) -> Server? {
    servers[front]?.first { !$0.isInMaintenance && $0.slot.isSame(member) }
  }
}
