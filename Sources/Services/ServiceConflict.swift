import CNI
import NetTypes
import PacketFilter

extension BackEndRecord {
  /// Why this attachment cannot be a back-end beside one of another host; `nil` if it can.
  func conflict(with other: BackEndRecord) -> CNIError? {
    for own in services {
      guard let theirs = other.services.first(where: { $0.name == own.name }), own != theirs else { continue }
      return CNIError(
        .tryAgainLater, "service \"\(own.name)\": \(theirs) on host \(other.node): want the same here, not \(own)")
    }
    for backEnd in backEnds {
      guard let taken = other.backEnds.first(where: { $0.front == backEnd.front && $0.service != backEnd.service })
      else { continue }
      return CNIError(
        .tryAgainLater,
        "service \"\(backEnd.service)\": \(backEnd.front) is that of service \"\(taken.service)\" on host \(other.node)"
      )
    }
    for backEnd in backEnds {
      guard let shared = other.backEnds.first(where: { $0.subnet.overlaps(backEnd.subnet) }) else { continue }
      return CNIError(
        .tryAgainLater,
        "service \"\(backEnd.service)\": subnet \(backEnd.subnet) of this host and \(shared.subnet) of host \(other.node): want a subnet for each host, else replies from other hosts' containers bypass this host"
      )
    }
    return nil
  }

  private var services: [Service] {
    Set(backEnds.map { $0.service }).sorted().map { name in Service(name, of: backEnds.filter { $0.service == name }) }
  }
}

/// What is the same for all back-ends of a service.
private struct Service: Equatable, CustomStringConvertible {
  var name: String
  var addresses: [IPAddress]
  var settings: String

  init(_ name: String, of backEnds: [BackEnd]) {
    self.name = name
    let own = backEnds.filter { $0.address != nil }
    addresses = Set(own.compactMap { $0.address }).sorted()
    settings = own.first?.settings ?? ""
  }

  var description: String {
    let addresses = addresses.map { $0.description }.joined(separator: " ")
    return "vip \(addresses), \(settings)"
  }
}

/// What clients connect to.
struct ServiceFront: Hashable, CustomStringConvertible {
  /// `nil`: all addresses of the host.
  var address: IPAddress?
  var family: IPFamily
  var transport: TransportProtocol
  var port: UInt16

  var description: String { "\(address?.withPort(port) ?? "host port \(port)")/\(transport)" }
}

extension BackEnd {
  /// What all members of a service must have in common.
  var settings: String {
    guard let proxy else { return "scheduler \(scheduler)" }
    let texts = [proxy.json, health?.json].compactMap { $0.map { String(decoding: $0.bytes, as: UTF8.self) } }
    return "scheduler \(scheduler), engine haproxy \(texts.joined(separator: ", health "))"
  }

  var front: ServiceFront { ServiceFront(address: address, family: family, transport: transport, port: port) }
}
