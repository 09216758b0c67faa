import BaseSupport
import CNI
import Etcd
import EtcdSupport
import Foundation
import Names
import NetTypes
import PacketFilter
import PluginKit
import Testing
@testable import dns_hosts

typealias DNSHosts = dns_hosts.DNSHosts<NoPacketFilter, FakeEtcd>

extension DNSHosts {
  /// The plugin without packet filter, etcd and dnsmasq.
  init(
    willChange: @escaping (String) throws(KernelError) -> Void = { _ throws(KernelError) in },
    findHostLink: @escaping (IPAddress) throws(KernelError) -> HostLink? = { _ throws(KernelError) in nil },
    connect: @escaping (EtcdConfig) throws(CNIError) -> FakeEtcd = { (_) throws(CNIError) in
      throw CNIError(.notAvailable, "etcd: no etcd client is available")
    }
  ) {
    self.init(
      filter: NoPacketFilter(), willChange: willChange, findHostLink: findHostLink, connect: connect, dnsmasq: { nil })
  }
}

/// A directory with all files of the plugin, for the networks of one test.
struct Fixture {
  let directory: String
  /// The calls of the delegate, in order.
  let delegateCalls = DelegateCalls()

  final class DelegateCalls {
    var commands: [Command] = []
    /// The files that existed during each call.
    var files: [Set<String>] = []
  }

  static func use<Value>(_ body: (Fixture) throws -> Value) throws -> Value {
    try inTemporaryDirectory { try body(Fixture(directory: $0)) }
  }

  /// The result of the plugins before this one, for container `number`.
  static func previous(_ number: Int) throws -> AddResult {
    AddResult(
      interfaces: [.init(name: "eth0"), .init(name: "eth0", sandbox: "/run/netns/c\(number)")],
      ips: [
        .init(interface: 0, address: try #require(IPPrefix("192.0.2.1/24"))),
        .init(interface: 1, address: try #require(IPPrefix("10.1.0.\(number)/24"))),
        .init(interface: 1, address: try #require(IPPrefix("fd00::\(number)/64"))),
      ], dns: DNS(nameservers: ["192.0.2.53"]))
  }

  static func owner(_ number: Int, on network: String = "net") throws -> AttachmentID {
    AttachmentID(
      network: try #require(NetworkName(network)), container: try #require(ContainerID("c\(number)")),
      interface: try #require(InterfaceName("eth0")))
  }

  private func document(_ json: String) throws -> JSONValue {
    let own = JSONValue.object([
      "stateDir": .string("\(directory)/state"), "files": "dir", "dir": .string("\(directory)/files"),
      "resolvConf": .bool(false), "hostnameFile": .bool(false),
    ])
    let given = try CNIJSON.decodeValue(Array(json.utf8))
    return .object((own.object ?? [:]).merging(given.object ?? [:]) { _, given in given })
  }

  private func delegates(_ number: Int) -> Delegates {
    Delegates(ipam: nil) { (_, command, _) throws(CNIError) in
      delegateCalls.commands.append(command)
      delegateCalls.files.append(files)
      guard command == .add else { return nil }
      do { return try Self.previous(number) } catch { throw CNIError(.delegateFailed, "\(error)") }
    }
  }

  func call(
    _ number: Int, _ json: String = "{}", on network: String = "net", arguments: String = "",
    previous: AddResult? = nil, isChained: Bool = true
  ) throws -> Call<DNSHostsConfig> {
    let reader = JSONReader(try document(json))
    return Call(
      owner: try Self.owner(number, on: network), namespacePath: "/run/netns/c\(number)", argumentsText: arguments,
      config: try DNSHostsConfig(reader), keys: try RuntimeKeys(reader),
      previous: try isChained ? previous ?? Self.previous(number) : nil, delegates: delegates(number))
  }

  /// Runs ADD and returns its result.
  @discardableResult
  func add(
    _ number: Int, _ json: String = "{}", on network: String = "net", arguments: String = "", isChained: Bool = true
  ) throws -> AddResult {
    var answer = AddResult()
    let call = try call(number, json, on: network, arguments: arguments, isChained: isChained)
    try DNSHosts().add(call) { (result) throws(CNIError) in answer = result }
    return answer
  }

  func delete(_ number: Int, _ json: String? = "{}", on network: String = "net") throws {
    try DNSHosts().delete(
      Removal(
        owner: Self.owner(number, on: network), namespacePath: nil,
        config: try json.map { try DNSHostsConfig(JSONReader(document($0))) }, delegates: delegates(number)))
  }

  func network(_ json: String = "{}") throws -> NetworkCall<DNSHostsConfig> {
    NetworkCall(
      name: try Self.owner(1).network, config: try DNSHostsConfig(JSONReader(document(json))), delegates: delegates(1))
  }

  /// Every file except lock files.
  var files: Set<String> {
    Set(
      (FileManager.default.enumerator(atPath: directory)?.compactMap { $0 as? String } ?? [])
        .filter { !$0.contains(".lock") && URL(filePath: $0).pathExtension != "" || $0.hasSuffix("/hosts") })
  }

  /// The names of an address in a container's hosts file.
  func names(of address: String, in number: Int) -> [String] {
    let text = (try? String(contentsOfFile: "\(directory)/files/c\(number)/hosts", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").filter { $0.hasPrefix(address + "\t") }
      .map { String($0.dropFirst(address.count + 1)).trimmingCharacters(in: .whitespaces) }
  }
}
