import CNI
import Foundation

/// A server that replies with the address from which the request came.
public struct Server: Hashable, Sendable {
  public var namespace: String
  /// The name that the server sends in its reply.
  public var name: String
  public var transport: Probe.Transport
  /// The port, on all addresses of both families.
  public var port: Int
  /// A multicast group to join on `eth0`.
  public var group: String?

  public init(_ name: String, in namespace: String, _ transport: Probe.Transport, _ port: Int, group: String? = nil) {
    self.name = name
    self.namespace = namespace
    self.transport = transport
    self.port = port
    self.group = group
  }
}

/// One request to an address.
public struct Probe: Sendable {
  public enum Transport: String, CaseIterable, Sendable { case tcp, udp, ping }

  /// The outcome of a probe.
  public enum Answer: Equatable, Sendable {
    /// From the server of that name, or from the pinged address itself.
    case by(String, seeing: String, keptPort: Bool)
    /// No answer: `silence`, or the name of an `errno`.
    case none(String)
  }

  public var namespace: String
  public var address: String
  public var port: Int
  public var transport: Transport
  /// The source address; `nil`: the kernel's choice.
  public var source: String?
  /// The time limit for the answer, in seconds.
  public var patience: Double
  /// The payload of a ping in bytes; the ping must not be fragmented.
  ///
  /// `nil`: no payload, and fragmentation is allowed.
  public var size: Int?

  public init(
    from namespace: String, to address: String, _ transport: Transport, _ port: Int, source: String? = nil,
    patience: Double, size: Int? = nil
  ) {
    self.namespace = namespace
    self.address = address
    self.transport = transport
    self.port = port
    self.source = source
    self.patience = patience
    self.size = size
  }
}

extension Lab {
  /// Sends all probes at the same time while `servers` listen.
  ///
  /// - Returns: an answer for each probe, in their order.
  public func answers(to probes: [Probe], servers: [Server]) throws -> [Probe.Answer] {
    let work = JSONValue.object([
      "servers": .array(servers.map(description)), "probes": .array(probes.map(description)),
    ])
    let program = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "probe.py").path()
    let outcome = try run("/usr/bin/python3", ["-B", program], input: work.line)
    guard outcome.isSuccess, let answers = outcome.json?.array, answers.count == probes.count else {
      throw Outcome.Unexpected(outcome: outcome)
    }
    return answers.map { answer in
      guard let name = answer.text("0"), let seen = answer.text("1") else { return .none(answer.text("0") ?? "") }
      return .by(name, seeing: seen, keptPort: answer.text("2") == answer.text("3"))
    }
  }

  private func description(_ server: Server) -> JSONValue {
    .object([
      "namespace": .string(path(server.namespace)), "name": .string(server.name), "port": .integer(Int64(server.port)),
      "transport": .string(server.transport.rawValue), "group": server.group.map { .string($0) } ?? .null,
    ])
  }

  private func description(_ probe: Probe) -> JSONValue {
    .object([
      "namespace": .string(path(probe.namespace)), "to": .string(probe.address), "port": .integer(Int64(probe.port)),
      "transport": .string(probe.transport.rawValue), "source": probe.source.map { .string($0) } ?? .null,
      "patience": .number(probe.patience), "size": probe.size.map { .integer(Int64($0)) } ?? .null,
    ])
  }
}
