import CNI
import Foundation
public import LabSupport
public import Testing

extension Fabric {
  /// Waits until each container reaches each other one with a packet of the network's full MTU, all at the same time.
  public func awaitReach(
    _ from: [Attached], _ to: [Attached], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var left = from.flatMap { one in
      to.filter { $0.host != one.host || $0.container != one.container }.flatMap { other in
        other.addresses.map { Self.ping(one, $0, patience: 2) }
      }
    }
    for _ in 0..<30 {
      let answers = try cluster.answers(to: left)
      left = zip(left, answers).filter { !$1.isAnswered }.map(\.0)
      if left.isEmpty { return }
    }
    Issue.record(
      "not reached: \(left.map { "\($0.namespace) > \($0.address)" })", sourceLocation: sourceLocation)
  }

  /// The pings that are answered although none should be; no answer within half a second counts as not reached.
  public func reached(_ from: [Attached], _ to: [Attached]) throws -> [String] {
    let probes = from.flatMap { one in to.flatMap { $0.addresses.map { Self.ping(one, $0, patience: 0.5) } } }
    return zip(probes, try cluster.answers(to: probes)).filter { $1.isAnswered }
      .map { "\($0.0.namespace) > \($0.0.address)" }
  }

  /// A ping of 1450 bytes that must not be fragmented: the MTU of the overlay if the underlay has 1500.
  private static func ping(_ from: Attached, _ address: String, patience: Double) -> Probe {
    Probe(
      from: from.namespace, to: address, .ping, 0, patience: patience, size: 1450 - (address.contains(":") ? 48 : 28))
  }

  /// Pings every 50 ms until an answer arrives, at most 50 seconds: the time for new routes depends on the machine.
  ///
  /// - Returns: the number of lost pings before the first answer; `nil` if all were lost.
  public func lostBeforeAnswer(from: Attached, to address: String) throws -> Int? {
    let output = try from.lab.shell(
      """
      stdbuf -oL ping -n -i 0.05 -w 50 \(address) | sed -n '/bytes from/{s/.*icmp_seq=\\([0-9]*\\).*/\\1/p;q}'
      """, in: from.namespace)
    return Int(output.trimmingCharacters(in: .whitespacesAndNewlines)).map { $0 - 1 }
  }
}

extension Probe.Answer {
  public var isAnswered: Bool { if case .by = self { true } else { false } }
}
