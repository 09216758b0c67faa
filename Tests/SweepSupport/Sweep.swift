import CNI
public import Kernel
public import NetTypes
public import Netlink
public import PacketFilter
public import PluginKit
public import TestSupport
public import Testing

/// The outcome of an ADD on the running kernel, in a new host and container, of which one change failed.
public struct Sweep: Sendable {
  public var before: KernelState
  public var after: KernelState
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
      @escaping @Sendable (@escaping (NamespacePaths) throws(KernelError) -> FailingKernel<LiveKernel<NoPacketFilter>>)
      -> P
  ) throws {
    self = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in prepared { try kernel.apply(change) }
      var answer = FakeDelegate.bothFamilies
      answer.routes = [Route(dst: .everything(.v4)), Route(dst: .everything(.v6))]
      let before = try KernelState(of: path)
      let add = try TriedADD(
        json, in: path, refusing: n, answer: answer, filter: NoPacketFilter(), by: makePlugin)
      return Sweep(before: before, after: try KernelState(of: path), changes: add.changes, succeeded: add.succeeded)
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

  private init(before: KernelState, after: KernelState, changes: Int, succeeded: Bool) {
    self.before = before
    self.after = after
    self.changes = changes
    self.succeeded = succeeded
  }
}
