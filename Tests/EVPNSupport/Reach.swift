import CNI
import Foundation
public import LabSupport
public import Testing

extension Fabric {
  /// Waits until each of these reaches each other with a packet as long as the network takes, all at once.
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
      left = zip(left, answers).filter { !$1.isByAnybody }.map(\.0)
      if left.isEmpty { return }
    }
    Issue.record(
      "not reached: \(left.map { "\($0.namespace) > \($0.address)" })", sourceLocation: sourceLocation)
  }

  /// Which of the second are answered by, though nobody is to be reached; half a second of silence counts.
  public func reached(_ from: [Attached], _ to: [Attached]) throws -> [String] {
    let probes = from.flatMap { one in to.flatMap { $0.addresses.map { Self.ping(one, $0, patience: 0.5) } } }
    return zip(probes, try cluster.answers(to: probes)).filter { $1.isByAnybody }
      .map { "\($0.0.namespace) > \($0.0.address)" }
  }

  /// 1450 bytes that may not be fragmented: what the underlay's 1500 leave.
  private static func ping(_ from: Attached, _ address: String, patience: Double) -> Probe {
    Probe(
      from: from.namespace, to: address, .ping, 0, patience: patience, size: 1450 - (address.contains(":") ? 48 : 28))
  }

  /// Pings every 50 ms until there is an answer, for 50 seconds at most: how long routes take depends on the machine.
  ///
  /// - Returns: how many were lost before the first answer; `nil`: all.
  public func lostBeforeAnswer(from: Attached, to address: String) throws -> Int? {
    let output = try from.lab.shell(
      """
      stdbuf -oL ping -n -i 0.05 -w 50 \(address) | sed -n '/bytes from/{s/.*icmp_seq=\\([0-9]*\\).*/\\1/p;q}'
      """, in: from.namespace)
    return Int(output.trimmingCharacters(in: .whitespacesAndNewlines)).map { $0 - 1 }
  }
}

extension Probe.Answer {
  public var isByAnybody: Bool { if case .by = self { true } else { false } }
}
