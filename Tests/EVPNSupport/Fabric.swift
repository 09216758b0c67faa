import BaseSupport
import CNI
import Foundation
public import LabSupport
public import Testing

/// Hosts with FRR, configured as in `conf-examples/evpn`; the first two are route reflectors.
public struct Fabric: Sendable {
  public let cluster: Cluster
  public let routers: [Router]

  public init(cluster: Cluster, routers: [Router]) {
    self.cluster = cluster
    self.routers = routers
  }

  /// Runs `body` with a new fabric, which is removed afterwards, also after an error.
  ///
  /// FRR runs on all hosts from the start if `isRunning`; `vrfs` are names of VRFs and the VNIs that lead between hosts.
  public static func use<Value>(
    hosts: Int = 3, containers: Int = 2, isRunning: Bool = true, vrfs: [String: Int] = [:],
    _ body: (Fabric) throws -> Value
  ) throws -> Value {
    try Cluster.use(
      hosts: hosts, containers: containers, defaultRoutes: true, state: ["/etc/frr", "/run/frr"]
    ) { cluster in
      let fabric = Fabric(cluster: cluster, routers: cluster.hosts.map { Router(lab: $0) })
      defer {
        // The FRR of a removed host has ended already; errors must not hide those of the test.
        for router in fabric.routers { try? router.kill() }
      }
      for index in fabric.routers.indices {
        try fabric.routers[index].configure(fabric.configuration(of: index, vrfs))
      }
      if isRunning { try fabric.start(Array(fabric.routers.indices)) }
      return try body(fabric)
    }
  }

  /// Starts FRR on these hosts and waits until it has sessions with all running route reflectors.
  public func start(_ hosts: [Int]) throws {
    let started = atOnce(hosts.count) { try routers[hosts[$0]].start() }
    for result in started { try result.get() }
    for host in hosts where host > 1 {
      try eventually("host \(host) has two route reflectors") { try routers[host].neighbourCount() == 2 }
    }
  }

  /// The example's configuration with the addresses of this fabric: the first host's address replaces 192.0.2.11.
  private func configuration(of host: Int, _ vrfs: [String: Int]) throws -> String {
    func example(_ name: String) throws -> String {
      try String(contentsOfFile: "\(Router.files)/\(name)", encoding: .utf8)
    }
    let between = try vrfs.map {
      try example("frr-vrf.conf").replacing("vrf red", with: "vrf \($0)").replacing("4001", with: "\($1)")
    }
    let text = try example(host < 2 ? "frr-reflector.conf" : "frr.conf") + between.joined()
    var own = ["192.0.2.11": 0, "192.0.2.12": 1, "192.0.2.13": host]
    if host == 1 { own = ["192.0.2.11": 1, "192.0.2.12": 0, "192.0.2.13": 1] }
    return own.reduce(text) { $0.replacing($1.key, with: cluster.underlay($1.value)) }
      .replacing("192.0.2.0/24", with: "172.30.0.0/24")
  }
}

/// Repeats a condition until it is true.
///
/// - Throws: after 1200 attempts with pauses of 50 ms, an error with `what` and the text of `details`.
public func eventually(
  _ what: String, _ isSo: () throws -> Bool, else details: () throws -> String = { "" },
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  for _ in 0..<1200 {
    if try isSo() { return }
    Thread.sleep(forTimeInterval: 0.05)
  }
  Issue.record("not in time: \(what) \(try details())", sourceLocation: sourceLocation)
  throw WaitTimeout(what: what)
}

public struct WaitTimeout: Error { var what: String }
