import CNI
import LabSupport
import Testing

/// A probe from a place, and the expected answer.
struct Expectation: CustomStringConvertible {
  var from: Place
  var address: String
  var transport: Probe.Transport
  var port: Int
  /// The server that must answer; `nil`: no server may answer.
  var answerer: String?
  /// The source address that the server must see; `nil`: any.
  var seen: String?

  init(
    _ from: Place, to address: String, _ transport: Probe.Transport, _ port: Int = 0, by answerer: Place?,
    seeing seen: String? = nil
  ) {
    self.from = from
    self.address = address
    self.transport = transport
    self.port = port
    self.answerer = answerer.map { transport == .ping ? address : "\($0)" }
    self.seen = seen
  }

  init(_ from: Place, to address: String, _ port: Int, by answerer: Place?, seeing seen: String? = nil) {
    self.init(from, to: address, .tcp, port, by: answerer, seeing: seen)
  }

  /// The expectations for both families; `body` gets the family's index in lists of addresses: 0 for IPv4, 1 for IPv6.
  static func ofBothFamilies(_ body: (Int) -> [Expectation]) -> [Expectation] { body(0) + body(1) }

  var description: String { "\(from) to \(address) \(transport) \(port)" }

  /// The difference from the expectation; `nil` if there is none.
  func complaint(about answer: Probe.Answer) -> String? {
    switch (answer, answerer) {
    case (.none, nil): return nil
    case (.none(let reason), let name?): return "\(self): want an answer by \(name), found \(reason)"
    case (.by(let name, let source, _), nil): return "\(self): want none, \(name) answered and saw \(source)"
    case (.by(let name, let source, _), let wanted?):
      if name != wanted { return "\(self): want an answer by \(wanted), \(name) answered" }
      if let seen, transport != .ping, seen != source {
        return "\(self): want \(seen) to be seen, \(name) saw \(source)"
      }
      return nil
    }
  }
}

extension World {
  /// The TCP and UDP ports on which servers listen during the probes.
  static func ports(of place: Place) -> [Int] {
    switch place {
    case .container: [80, 81]
    case .outside, .behind: [80, 8080]
    case .host: [8090]
    }
  }

  var servers: [Server] {
    let places = [Place.outside, .host, .behind] + (0..<lab.containerCount).map { .container($0 + 1) }
    return places.flatMap { place in
      World.ports(of: place).flatMap { port in
        [Probe.Transport.tcp, .udp].map { Server("\(place)", in: namespace(place), $0, port) }
      }
    }
  }

  /// Sends all probes at the same time, and records an issue with each answer that is not as expected.
  func expect(
    _ expectations: [Expectation], servers: [Server]? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let found = try complaints(expectations, servers: servers)
    #expect(found == [], sourceLocation: sourceLocation)
  }

  /// Sends all probes at the same time and returns the differences.
  ///
  /// An expected answer may take long, an unexpected one only a short time: a slow machine can only hide errors.
  func complaints(_ expectations: [Expectation], servers: [Server]? = nil) throws -> [String] {
    let probes = expectations.map { wanted in
      Probe(
        from: namespace(wanted.from), to: wanted.address, wanted.transport, wanted.port,
        patience: wanted.answerer == nil ? 0.4 : 5)
    }
    let answers = try lab.answers(to: probes, servers: servers ?? self.servers)
    return zip(expectations, answers).compactMap { $0.complaint(about: $1) }
  }
}
