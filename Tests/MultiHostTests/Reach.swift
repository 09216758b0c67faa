import CNI
import LabSupport
import Testing

/// A probe and whether it must be answered.
struct ExpectedReply {
  var probe: Probe
  var isAnswered: Bool

  /// An expected answer may take long, an unexpected one only a short time: a slow machine can only hide errors.
  static func ping(
    _ from: String, _ address: String, _ isAnswered: Bool, size: Int? = nil, source: String? = nil
  ) -> ExpectedReply {
    ExpectedReply(
      probe: Probe(from: from, to: address, .ping, 0, source: source, patience: isAnswered ? 45 : 1, size: size),
      isAnswered: isAnswered)
  }
}

extension Cluster {
  /// Sends all probes at the same time, and records an issue with each answer that is not as expected.
  func expect(
    _ expectedReplies: [ExpectedReply], servers: [Server] = [], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let answers = try answers(to: expectedReplies.map(\.probe), servers: servers)
    let found = zip(expectedReplies, answers).compactMap { expectedReply, answer -> String? in
      let isAnswered = if case .by = answer { true } else { false }
      if isAnswered == expectedReply.isAnswered { return nil }
      let from = expectedReply.probe.namespace.dropFirst(name.count + 1)
      return
        "\(from) to \(expectedReply.probe.address): want \(expectedReply.isAnswered ? "an answer" : "none"), found \(answer)"
    }
    #expect(found == [], sourceLocation: sourceLocation)
  }
}

extension [Attachment] {
  /// Pings between all attachments in both families, with the full MTU and without fragmentation.
  ///
  /// The MTU is at least 1430 bytes, so packets of 1400 bytes pass too.
  var mutual: [ExpectedReply] {
    flatMap { from in
      filter { $0.host != from.host || $0.container != from.container }.flatMap { to in
        to.addresses.map { address in
          // The MTU without IP and ICMP headers.
          .ping(from.namespace, address, true, size: from.network.mtu - (address.contains(":") ? 48 : 28))
        }
      }
    }
  }

  /// Pings to all attachments of another network, from their own addresses and from addresses of that network.
  func unreachable(from others: [Attachment]) -> [ExpectedReply] {
    flatMap { from in
      others.flatMap { to in
        zip(to.addresses, to.network.unassignedAddresses(of: from.host)).flatMap {
          address, stranger -> [ExpectedReply] in
          [.ping(from.namespace, address, false), .ping(from.namespace, address, false, source: stranger)]
        }
      }
    }
  }

  /// Gives each container an additional address of another network, as if it belonged to that network.
  func addAddresses(into other: OverlayNetwork) throws {
    for attachment in self {
      let adding = other.unassignedAddresses(of: attachment.host).map {
        "ip address add \($0)/\($0.contains(":") ? 128 : 32) dev eth0 \($0.contains(":") ? "nodad" : "")"
      }
      try attachment.lab.shell(adding.joined(separator: "\n"), in: attachment.namespace)
    }
  }
}
