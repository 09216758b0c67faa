import CNI
import Foundation
import Linux
import NetTypes
import PacketFilter
import TestSupport
@testable import Iptables

/// The legacy tables of a new network namespace, with a separate lock.
struct IptablesLab {
  let lockFile: String

  /// Runs `body` in a network namespace without rules, and returns its result.
  ///
  /// - Parameters:
  ///   - touched: whether to create all tables first, so that they can be compared.
  ///   - body: gets the laboratory.
  /// - Returns: what `body` returned.
  /// - Throws: what `body` threw.
  static func run<Value: Sendable>(
    touched: Bool = true, _ body: @escaping @Sendable (Self) throws -> Value
  ) throws -> Value {
    let lab = IptablesLab(lockFile: NSTemporaryDirectory() + "xtables-\(UUID()).lock")
    defer { unsafe unlink(lab.lockFile) }
    return try inFreshNamespace { _ in
      for table in touched ? ["filter", "nat"] : [] {
        try lab.shell("iptables-legacy -t \(table) -S; ip6tables-legacy -t \(table) -S")
      }
      return try body(lab)
    }
  }

  /// The output of a script.
  @discardableResult
  func shell(_ script: String) throws -> String {
    let answer = try ChildProcess.run(
      "/bin/bash", ["-euc", script],
      environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "XTABLES_LOCKFILE=\(lockFile)", "LC_ALL=C"], input: [],
      seconds: 60)
    guard answer.status == 0 else { throw ScriptFailure(text: String(decoding: answer.errors, as: UTF8.self)) }
    return String(decoding: answer.output, as: UTF8.self)
  }

  /// All tables of both families with their counters.
  func everything() throws -> String {
    try shell("iptables-legacy-save -c; echo; ip6tables-legacy-save -c")
      .split(separator: "\n").filter { !$0.hasPrefix("#") }.joined(separator: "\n")
  }

  /// The rules of a table, one line each, without chains.
  func rules(_ table: String, _ family: IPFamily = .v4) throws -> [String] {
    try shell("ip\(family == .v4 ? "" : "6")tables-legacy-save -t \(table)")
      .split(separator: "\n").filter { $0.hasPrefix("-A") }.map(String.init)
  }

  var backend: IptablesBackend {
    let backend = IptablesBackend()
    backend.tables.lockFile = lockFile
    backend.onlyVariant = .legacy
    return backend
  }
}

struct ScriptFailure: Error { let text: String }

/// An attachment of network `n`, or another.
func owner(_ container: String, network: String = "n") -> AttachmentID {
  AttachmentID(
    network: NetworkName(stringLiteral: network), container: ContainerID(stringLiteral: container), interface: "eth0")
}

func name(_ text: String) -> InterfaceName { InterfaceName(stringLiteral: text) }
func ip(_ text: String) -> IPAddress { IPAddress(stringLiteral: text) }
func net(_ text: String) -> IPPrefix { IPPrefix(stringLiteral: text) }

/// A port published the usual way, on network 10.1.0.0/24 or fd00::/64.
func published(_ hostPort: UInt16, to target: String, _ change: (inout PublishedPort) -> Void = { _ in }) -> Rule {
  let subnet = ip(target).family == .v4 ? net("10.1.0.0/24") : net("fd00::/64")
  var port = PublishedPort(
    .tcp, hostPort: hostPort, to: ip(target), 80, masquerade: ReturnPath(subnet: subnet, link: name("br0")))
  change(&port)
  return .publish(port)
}

func masquerade(_ address: String, isRandom: Bool = false) -> Rule {
  .masquerade(
    Masquerade(
      ip(address), in: ip(address).family == .v4 ? net("10.1.0.0/24") : net("fd00::/64"), isRandom: isRandom))
}
