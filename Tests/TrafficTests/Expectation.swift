import CNI
import LabSupport
import Testing

/// Who answers where, from one place's point of view.
struct Expectation: CustomStringConvertible {
  var from: Place
  var address: String
  var transport: Probe.Transport
  var port: Int
  /// Who has to answer; `nil`: nobody may.
  var answerer: String?
  /// The address that the answerer has to see; `nil`: any.
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

  /// What `body` expects of IPv4's address, at 0, and of IPv6's, at 1.
  static func ofBothFamilies(_ body: (Int) -> [Expectation]) -> [Expectation] { body(0) + body(1) }

  var description: String { "\(from) to \(address) \(transport) \(port)" }

  /// What differs; `nil` where it came as expected.
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
  /// Who listens on which ports of both transports while probes run.
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

  /// Asks all at once, and records an issue that tells each answer that is not as expected.
  func expect(
    _ expectations: [Expectation], servers: [Server]? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let found = try complaints(expectations, servers: servers)
    #expect(found == [], sourceLocation: sourceLocation)
  }

  /// What is not as expected.
  ///
  /// An answer is waited for, silence is believed soon: a slow machine may hide a wrong answer, but makes none up.
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
