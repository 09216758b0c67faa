public import CNI
import Kernel
public import NetTypes
public import Netlink
public import PacketFilter
public import PluginKit
public import TestSupport

/// An ADD on the running kernel that one of its changes makes fail.
public struct TriedADD<Subject: Plugin, Filter: PacketFilter> {
  public let plugin: Subject
  /// With the result of ADD, if it succeeded.
  public private(set) var call: Call<Subject.Config>
  /// The number of changes of ADD, rollback included.
  public let changes: Int

  public var succeeded: Bool { call.previous != nil }

  /// - Parameters:
  ///   - json: the configuration of the plugin.
  ///   - path: the container's namespace.
  ///   - n: how many changes succeed before one fails.
  ///   - answer: the result of the IPAM plugin.
  ///   - ipam: the type of the IPAM plugin.
  ///   - filter: the host's packet filter.
  ///   - makePlugin: makes the plugin with a function that opens its kernel.
  /// - Throws: an error of the test.
  public init(
    _ json: String, in path: String, refusing n: Int,
    answer: AddResult = FakeDelegate.bothFamilies, ipam: String = "fake", filter: Filter,
    by makePlugin: (@escaping (NamespacePaths) throws(KernelError) -> FailingKernel<LiveKernel<Filter>>) -> Subject
  ) throws {
    let counter = Counter()
    plugin = makePlugin { (namespaces) throws(KernelError) in
      let live = try LiveKernel.open(
        containerNamespace: namespaces.container, peerPath: namespaces.peerPath, filter: filter)
      return FailingKernel(live, changesBeforeRefusal: n) { _ in counter.count += 1 }
    }
    call = Call(
      owner: .example, namespacePath: path, config: try CNIJSON.decode(Subject.Config.self, from: Array(json.utf8)),
      delegates: FakeDelegate(answer, type: ipam).delegates)
    var result: AddResult?
    do throws(CNIError) {
      try plugin.add(call) { (answer) throws(CNIError) in result = answer }
    } catch { result = nil }
    call.previous = result
    changes = counter.count
  }

  /// The same for a plugin that is its driver alone.
  public init<Driver: LinkDriver>(
    _ driver: Driver, _ json: String, in path: String, refusing n: Int,
    answer: AddResult = FakeDelegate.bothFamilies, ipam: String = "fake", filter: Filter
  ) throws where Driver.Input == Driver.Config, Subject == MainPlugin<Driver, FailingKernel<LiveKernel<Filter>>> {
    try self.init(json, in: path, refusing: n, answer: answer, ipam: ipam, filter: filter) {
      MainPlugin(driver, on: $0)
    }
  }
}

/// How often a closure was called.
public final class Counter {
  public var count = 0

  public init() {}
}
