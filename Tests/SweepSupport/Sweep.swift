import CNI
public import Kernel
public import NetTypes
public import Netlink
public import PluginKit
public import TestSupport
public import Testing

/// The outcome of an ADD on the running kernel, in a new host and container, of which one change failed.
public struct Sweep: Sendable {
  /// Links, addresses and routes of host and container, before the ADD and (`after`) after it.
  public var before: [String]
  public var after: [String]
  /// The number of changes, rollback included.
  public var changes: Int
  public var succeeded: Bool

  /// - Parameters:
  ///   - driver: the driver of the plugin.
  ///   - json: its configuration; IPAM always answers with an address of either family and default routes.
  ///   - prepared: changes that are made on the host before.
  ///   - n: how many changes succeed before one fails.
  /// - Throws: an error while the host is prepared or read.
  public init<Driver: LinkDriver & SendableMetatype>(
    _ driver: @autoclosure @escaping @Sendable () -> Driver, _ json: String, on prepared: [Change] = [], refusing n: Int
  ) throws where Driver.Input == Driver.Config {
    try self.init(json, on: prepared, refusing: n) { MainPlugin(driver(), on: $0) }
  }

  /// The same for a plugin that is made with a function that opens its kernel.
  public init<P: Plugin & SendableMetatype>(
    _ json: String, on prepared: [Change] = [], refusing n: Int,
    by makePlugin:
      @escaping @Sendable (@escaping (NamespacePaths) throws(KernelError) -> FailingKernel<LiveKernel>) -> P
  ) throws {
    self = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in prepared { try kernel.apply(change) }
      let before = try seen(path)
      let counter = Counter()
      let plugin = makePlugin { (namespaces) throws(KernelError) in
        let live = try LiveKernel.open(containerNamespace: namespaces.container)
        return FailingKernel(live, changesBeforeRefusal: n) { _ in counter.count += 1 }
      }
      var succeeded = true
      do {
        try plugin.add(call(json, path)) { (_) throws(CNIError) in }
      } catch is CNIError { succeeded = false }
      return Sweep(before: before, after: try seen(path), changes: counter.count, succeeded: succeeded)
    }
  }

  /// Creates a link `m0` that is up, for use as a parent.
  public static let master: [Change] = [
    .createLink(LinkSpec("m0", kind: .veth(peer: .init(name: "far0", netns: .host)))),
    .changeLink("m0", on: .host, LinkChange(isUp: true)), .changeLink("far0", on: .host, LinkChange(isUp: true)),
  ]

  /// Makes each change of an ADD fail once, and expects the state to be as before.
  public static func expectRollback(
    changes: ClosedRange<Int>, sourceLocation: SourceLocation = #_sourceLocation, _ attach: (Int) throws -> Sweep
  ) throws {
    let whole = try attach(.max)
    #expect(whole.succeeded, sourceLocation: sourceLocation)
    #expect(whole.after != whole.before, sourceLocation: sourceLocation)
    #expect(changes.contains(whole.changes), sourceLocation: sourceLocation)
    for n in 0..<whole.changes {
      let sweep = try attach(n)
      #expect(!sweep.succeeded, "change \(n)", sourceLocation: sourceLocation)
      #expect(sweep.after == sweep.before, "change \(n)", sourceLocation: sourceLocation)
    }
  }

  private init(before: [String], after: [String], changes: Int, succeeded: Bool) {
    self.before = before
    self.after = after
    self.changes = changes
    self.succeeded = succeeded
  }
}

private final class Counter {
  var count = 0
}

private struct NoFixture: Error {}

private func call<Config>(_ json: String, _ path: String) throws -> Call<Config> where Config: JSONReadable & Sendable {
  guard let network = NetworkName("net"), let container = ContainerID("c1") else { throw NoFixture() }
  let answer = AddResult(
    ips: [
      .init(address: "10.1.0.5/24", gateway: "10.1.0.1"), .init(address: "fd00:1::5/64", gateway: "fd00:1::1"),
    ],
    routes: [Route(dst: .everything(.v4)), Route(dst: .everything(.v6))])
  return Call(
    owner: AttachmentID(network: network, container: container, interface: "eth0"), namespacePath: path,
    config: try CNIJSON.decode(Config.self, from: Array(json.utf8)),
    delegates: Delegates(ipam: PluginType("fake")) { (_, _, _) throws(CNIError) in answer })
}

private func seen(_ path: String) throws -> [String] {
  var kernel = try LiveKernel.open(containerNamespace: path)
  var lines: [String] = []
  for netns in NetNS.allCases {
    for link in try kernel.allLinks(on: netns) {
      lines.append("\(netns) \(link.name) \(link.kind ?? "-") up \(link.isUp) mtu \(link.mtu) \(link.alias ?? "")")
      lines += try kernel.addresses(of: link.name, on: netns).map { "\(netns) \(link.name) \($0)" }
      lines += try kernel.routes(of: link.name, on: netns).map { "\(netns) \($0)" }
    }
    lines.append("\(netns) lo's disable_ipv6 \(try kernel.sysctl("net/ipv6/conf/lo/disable_ipv6", on: netns) ?? "-")")
  }
  return lines
}
