import NetTypes
import PacketFilter

/// The configuration of the haproxy that runs for a service of a network.
struct HaproxyConfig {
  /// A place for a member, whose address can be changed while haproxy runs.
  struct Slot: Equatable {
    var address: IPAddress
    var port: UInt16
    var weight: Int

    init(_ backEnd: BackEnd) {
      address = backEnd.target
      port = backEnd.targetPort
      weight = backEnd.weight
    }

    init(_ address: IPAddress, _ port: UInt16, weight: Int) {
      self.address = address
      self.port = port
      self.weight = weight
    }

    func isSame(_ other: Slot) -> Bool { address == other.address && port == other.port }
  }

  /// An address and port on which haproxy listens.
  struct Front {
    /// One of the members; the others have the same settings.
    var backEnd: BackEnd
    /// `nil`: free.
    var slots: [Slot?]

    var name: String { backEnd.frontName }
  }

  var title: String
  var fronts: [Front]

  /// - Parameters:
  ///   - title: for the first line.
  ///   - members: the members of the service, of all addresses and ports.
  ///   - present: the slots of the running process, by the names of the fronts; the members stay in theirs.
  init(_ title: String, _ members: [BackEnd], present: [String: [Slot?]] = [:]) {
    self.title = title
    fronts = Set(members.map { $0.frontName }).sorted().compactMap { name in
      let own = members.filter { $0.frontName == name }
      guard let first = own.first else { return nil }
      return Front(backEnd: first, slots: Self.slots(own.map(Slot.init(_:)), present: present[name] ?? []))
    }
  }

  private static let fewestSlots = 8

  private static func slots(_ members: [Slot], present: [Slot?]) -> [Slot?] {
    var slots = present.map { slot in members.first { member in slot?.isSame(member) == true } }
    var seen = slots.compactMap { $0 }
    let sorted = members.sorted { ($0.address, $0.port) < ($1.address, $1.port) }
    for member in sorted where !seen.contains(where: member.isSame) {
      seen.append(member)
      if let free = slots.firstIndex(of: nil) { slots[free] = member } else { slots.append(member) }
    }
    var count = max(present.count, fewestSlots)
    while count < slots.count { count *= 2 }
    return slots + Array(repeating: nil, count: count - slots.count)
  }

  /// The text of the configuration file.
  ///
  /// Not `noreuseport`: with it, a process that is replaced shuts down the sockets that the new one has taken over
  /// (haproxy 2.6).
  func text(pidFile: String, socket: String) -> String {
    let global = """
      # \(title)
      global
        uid 65534
        gid 65534
        fd-hard-limit 65536
        pidfile \(pidFile)
        stats socket \(socket) mode 600 level admin expose-fd listeners
      defaults
        option redispatch 1
        timeout connect 5s
        timeout client 1h
        timeout server 1h
        timeout http-request 30s

      """
    return global + fronts.map { $0.text }.joined()
  }
}

extension HaproxyConfig.Front {
  fileprivate var text: String {
    var lines = ["mode \(backEnd.proxy?.mode ?? .tcp)", "bind \(bind)", "balance \(balance)"]
    // Other algorithms would not take new weights while haproxy runs.
    if backEnd.scheduler == .source { lines.append("hash-type consistent") }
    if backEnd.proxy?.mode == .http { lines.append("option forwardfor") }
    if let health = backEnd.health { lines += checks(health) }
    lines += slots.enumerated().map { (index, slot) in
      let name = Self.slotName(index)
      guard let slot else { return "server \(name) 0.0.0.0:1 disabled" }
      return "server \(name) \(slot.address.withPort(slot.port)) weight \(slot.weight)"
    }
    return "listen \(name)\n" + lines.map { "  \($0)\n" }.joined()
  }

  static func slotName(_ index: Int) -> String { "s\(index + 1)" }

  private var bind: String {
    let protocols = backEnd.proxy?.mode == .http ? " alpn h2,http/1.1" : ""
    let tls = backEnd.proxy?.certificate.map { " ssl crt '\($0)'\(protocols)" } ?? ""
    // ADD adds the virtual address after haproxy has bound it.
    if let address = backEnd.address { return "\(address.withPort(backEnd.port)) transparent\(tls)" }
    return (backEnd.family == .v4 ? "0.0.0.0:\(backEnd.port)" : "[::]:\(backEnd.port) v6only") + tls
  }

  private var balance: String {
    switch backEnd.scheduler {
    case .random: "random"
    case .roundRobin: "roundrobin"
    case .source: "source"
    }
  }

  private func checks(_ health: HealthCheck) -> [String] {
    var lines = [
      "timeout check \(health.timeout)s",
      "default-server check inter \(health.interval)s fall \(health.fall) rise \(health.rise) port \(health.port)",
    ]
    if let path = health.path {
      lines += [
        "option httpchk",
        "http-check send meth GET uri \(Self.quoted(path)) ver HTTP/1.1 hdr Host \(backEnd.service) hdr Connection close",
        "http-check expect status 200-399",
      ]
    }
    return lines
  }

  private static func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
  }
}
