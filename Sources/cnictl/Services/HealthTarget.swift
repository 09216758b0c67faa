import CNI
import HostFilter
import Linux
import NetTypes
import PacketFilter

/// What one probe decides about: an address of a container in a service, with all ports of the service.
struct HealthTarget: Hashable {
  var owner: AttachmentID
  var service: String
  var address: IPAddress
  var check: HealthCheck

  init?(_ member: ServiceMember) {
    guard let check = member.backEnd.health, member.backEnd.proxy == nil else { return nil }
    (owner, service, address, self.check) = (member.owner, member.backEnd.service, member.backEnd.target, check)
  }

  /// The members with a health check that haproxy does not make, of these services; all if `services` is empty.
  ///
  /// - Throws: code 7 for a name that no service has, or one with haproxy.
  static func all(_ services: [String]) throws(CNIError) -> [HealthTarget: [ServiceMember]] {
    let members: [ServiceMember]
    do throws(KernelError) { members = try HostFilter().serviceMembers() } catch { throw CNIError(error) }
    if let missing = services.first(where: { name in !members.contains { $0.backEnd.service == name } }) {
      throw CNIError.noService(missing)
    }
    if let proxied = services.first(where: { name in
      members.contains { $0.backEnd.service == name && $0.backEnd.proxy != nil }
    }) {
      throw CNIError(
        .invalidNetworkConfig, "service \(proxied): haproxy checks its members by itself: want cnictl service inspect")
    }
    var targets: [HealthTarget: [ServiceMember]] = [:]
    for member in members where services.isEmpty || services.contains(member.backEnd.service) {
      if let target = HealthTarget(member) { targets[target, default: []].append(member) }
    }
    return targets
  }

  var text: String { "\(service): \(address) (\(owner.container))" }

  private var request: [UInt8] {
    guard let path = check.path else { return [] }
    return Array("GET \(path) HTTP/1.1\r\nHost: \(service)\r\nConnection: close\r\n\r\n".utf8)
  }

  /// Begins a probe.
  func connect() throws(KernelError) -> ProbeSocket {
    try ProbeSocket(to: address, check.port, request: request, seconds: check.timeout)
  }

  /// Why it is not healthy; `nil`: it is.
  func fault(_ outcome: ProbeSocket.Outcome) -> String? {
    switch outcome {
    case .failure(let reason): return reason
    case .answer(let line):
      guard check.path != nil else { return nil }
      guard let status = HTTPStatus(line: line) else { return "no answer in HTTP" }
      return (200...399).contains(status.code) ? nil : "HTTP status \(status.code)"
    }
  }
}

/// The first line of an HTTP answer.
struct HTTPStatus: Equatable {
  var code: Int

  /// `nil` unless the line is `HTTP/1.1 200 OK` or the like.
  init?(line: [UInt8]) {
    let words = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
    guard words.count >= 2, words[0].starts(with: Array("HTTP/1.".utf8)), words[0].count == 8 else { return nil }
    let digits = words[1].last == UInt8(ascii: "\r") ? words[1].dropLast() : words[1]
    guard digits.count == 3, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    code = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
  }
}
