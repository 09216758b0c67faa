import BaseSupport
import CNI
import Foundation
import NetTypes
import Testing
@testable import Names

/// A directory with containers `c1`, `c2`… on networks; their hosts files are below `files`.
struct Net: Sendable {
  let directory: String

  static func use<Value>(_ body: (Net) throws -> Value) throws -> Value {
    try inTemporaryDirectory { try body(Net(directory: $0)) }
  }

  var state: StateDirectory { StateDirectory("\(directory)/state") }

  func hostsPath(_ number: Int) -> String { "\(directory)/files/c\(number)/hosts" }

  /// The container's hosts file; `nil` if there is none.
  func hosts(_ number: Int) -> String? { try? String(contentsOfFile: hostsPath(number), encoding: .utf8) }

  /// The lines of the container's hosts file that are no comments or standard lines.
  func live(_ number: Int) -> [String] {
    (hosts(number) ?? "").split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.hasPrefix("#") && !OwnLines.standard.contains($0) }
  }

  func owner(_ number: Int, on network: String = "net") throws -> AttachmentID {
    AttachmentID(
      network: try #require(NetworkName(network)), container: try #require(ContainerID("c\(number)")),
      interface: try #require(InterfaceName("eth-0")))
  }

  /// The address `10.NET.0.NUMBER`; NET is the length of the network's name.
  func address(_ number: Int, on network: String = "net") -> String {
    "10.\(network.count).\(number / 256).\(number % 256)"
  }

  func member(
    _ number: Int, on network: String = "net", as name: String? = nil, aliases: [String] = []
  ) throws -> Member {
    Member(
      owner: try owner(number, on: network), addresses: [try #require(IPAddress(address(number, on: network)))],
      names: try ([name ?? "n\(number)"] + aliases).map { try #require(HostName($0)) })
  }

  func line(_ number: Int, on network: String = "net", as name: String? = nil) -> String {
    "\(address(number, on: network))\t\(name ?? "n\(number)")"
  }

  func join(
    _ number: Int, on network: String = "net", as name: String? = nil, aliases: [String] = [], extra: [String] = [],
    services: [NamedAddresses] = [], server: NameServerTarget? = nil, isKilled: Bool = false,
    willChange: @escaping (String) throws(KernelError) -> Void = { _ throws(KernelError) in }
  ) throws {
    var member = try member(number, on: network, as: name, aliases: aliases)
    (member.services, member.server) = (services, server)
    guard
      let names = try NetworkNames.lock(member.owner.network, in: state, createIfMissing: true, willChange: willChange)
    else { throw NoNetwork() }
    let request = HostsFileRequest(
      ContainerPath(base: directory, below: ["files", "c\(number)", "hosts"], key: "hostsFile"),
      ownLines: ["\(address(number, on: network))\tc\(number)"], extraLines: extra)
    do {
      try names.join(member, request)
      try names.publish(member)
    } catch {
      if isKilled { throw error }
      let leftovers = names.leave(member.owner)
      if !leftovers.isEmpty { throw leftovers[0] }
      throw error
    }
  }

  func leave(
    _ number: Int, on network: String = "net",
    willChange: @escaping (String) throws(KernelError) -> Void = { _ throws(KernelError) in }
  ) throws {
    let owner = try owner(number, on: network)
    guard
      let names = try NetworkNames.lock(owner.network, in: state, createIfMissing: false, willChange: willChange)
    else { return }
    if let failure = names.leave(owner).first { throw failure }
  }

  /// The differences that CHECK reports.
  func differences(
    _ number: Int, on network: String = "net", as name: String? = nil, services: [NamedAddresses] = [],
    server: NameServerTarget? = nil
  ) throws -> [String] {
    var member = try member(number, on: network, as: name)
    (member.services, member.server) = (services, server)
    guard let names = try NetworkNames.lock(member.owner.network, in: state, createIfMissing: false) else {
      throw NoNetwork()
    }
    return try names.differences(from: member, hasHosts: true)
  }

  /// Every file except lock files, with its lines that are no comments.
  func snapshot() -> [String: [String]] {
    var files: [String: [String]] = [:]
    for name in tree(directory) where !name.contains(".lock") {
      let text = (try? String(contentsOfFile: "\(directory)/\(name)", encoding: .utf8)) ?? ""
      files[name] = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
    }
    return files
  }
}

struct NoNetwork: Error {}

/// Every file below a directory, by its relative path.
func tree(_ path: String) -> Set<String> {
  Set((FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String }) ?? [])
}
