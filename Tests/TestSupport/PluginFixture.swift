public import CNI
import Kernel
public import NetTypes
import PacketFilter
public import PluginKit
public import Testing

/// A plugin in this process on a kernel in memory, and the container that it is called for.
///
/// A configuration is a whole JSON object, or only keys, which then stand beside `"ipam":{"type":"fake"}`.
public protocol PluginFixture {
  associatedtype Subject: Plugin

  var plugin: Subject { get }
  var kernel: FakeKernel { get }
  var owner: AttachmentID { get set }
  /// What runs in place of the plugins that this one delegates to.
  var delegates: Delegates { get }

  /// The configuration that the plugin reads; by default as the test wrote it.
  func document(_ json: String) throws -> JSONValue

  /// `prevResult` of a call for which the test names none; by default none.
  func defaultPrevious(_ config: Subject.Config) -> AddResult?
}

extension AttachmentID {
  /// Interface eth0 of container c1 on the network called "net".
  public static let example = AttachmentID(network: "net", container: "c1", interface: "eth0")
}

extension PluginFixture {
  public func document(_ json: String) throws -> JSONValue {
    let keys = #"{"ipam":{"type":"fake"}\#(json.isEmpty ? "" : ",")\#(json)}"#
    return try CNIJSON.decodeValue(Array((json.hasPrefix("{") ? json : keys).utf8))
  }

  public func defaultPrevious(_ config: Subject.Config) -> AddResult? { nil }

  public func config(_ json: String = "") throws -> Subject.Config { try Subject.Config(JSONReader(document(json))) }

  /// The parameters of an ADD or CHECK.
  public func call(
    _ json: String = "", arguments: String = "", previous: AddResult? = nil
  ) throws -> Call<Subject.Config> {
    let config = try config(json)
    return Call(
      owner: owner, namespacePath: "/run/netns/c1", argumentsText: arguments, config: config,
      keys: try RuntimeKeys(JSONReader(document(json))), previous: previous ?? defaultPrevious(config),
      delegates: delegates)
  }

  /// The parameters of a GC or STATUS.
  public func network(_ json: String = "") throws -> NetworkCall<Subject.Config> {
    NetworkCall(name: owner.network, config: try config(json), delegates: delegates)
  }

  /// The result of ADD.
  @discardableResult
  public func add(_ json: String = "", arguments: String = "", previous: AddResult? = nil) throws -> AddResult {
    var answer = AddResult()
    try plugin.add(call(json, arguments: arguments, previous: previous)) { (result) throws(CNIError) in answer = result
    }
    return answer
  }

  /// The error of ADD; `nil` if it succeeds.
  public func refusal(_ json: String = "", arguments: String = "", previous: AddResult? = nil) throws -> CNIError? {
    do {
      try add(json, arguments: arguments, previous: previous)
      return nil
    } catch let error as CNIError { return error }
  }

  /// The lines that `CNI_PLAN=1` prints, as `planText` returns them; expects that nothing is changed or locked.
  public func plan(_ json: String = "", sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
    let changes = kernel.applied.count, locks = kernel.locks.count
    var call = try call(json)
    let plan = PlanOutput()
    call.plan = plan
    try plugin.add(call) { (_) throws(CNIError) in }
    #expect(kernel.applied.count == changes, sourceLocation: sourceLocation)
    #expect(kernel.locks.count == locks, sourceLocation: sourceLocation)
    return planText(plan.lines)
  }

  /// The differences that CHECK reports; empty if there is none.
  public func complaint(
    _ json: String = "", _ result: AddResult? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    do {
      try plugin.check(call(json, previous: result))
      return ""
    } catch let error as CNIError {
      #expect(error.code == .differences, sourceLocation: sourceLocation)
      return error.message
    }
  }

  /// DEL, of what can be read of the configuration.
  public func delete(_ json: String? = nil, path: String? = "/run/netns/c1") throws {
    let document = try json.map(document)
    let config = document.flatMap { (try? Subject.Config(JSONReader($0))) ?? Subject.partialConfig($0) }
    try plugin.delete(Removal(owner: owner, namespacePath: path, config: config, delegates: delegates))
  }

  public func status(_ json: String = "") throws { try plugin.status(network(json)) }

  /// The error of STATUS; `nil` if it succeeds.
  public func obstacle(_ json: String = "") throws -> CNIError? {
    do {
      try status(json)
      return nil
    } catch let error as CNIError { return error }
  }

  /// GC of the network.
  public func collectGarbage(_ json: String = "", keeping owners: [AttachmentID] = []) throws {
    let valid = owners.map { ValidAttachments.Attachment(containerID: $0.container, ifname: $0.interface) }
    try plugin.collectGarbage(network(json), valid: Set(valid))
  }

  /// Another container on the same host, which takes the place of the present one there.
  public func next(_ container: ContainerID = "c2", as interface: InterfaceName = "eth0") -> Self {
    var next = self
    next.owner.container = container
    next.owner.interface = interface
    kernel.replaceContainer()
    return next
  }
}

extension PluginFixture {
  /// Runs an ADD of which change `n` is refused, and expects an error and that nothing is left.
  ///
  /// - Returns: whether the ADD failed; one with fewer changes succeeds.
  @discardableResult
  public func expectRollback(
    _ json: String, refusing n: Int, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Bool {
    let before = kernel.state, count = kernel.applied.count
    kernel.changesBeforeRefusal = n
    guard let error = try refusal(json) else {
      let made = kernel.applied.count - count
      #expect(n >= made, "a refused change must be an error", sourceLocation: sourceLocation)
      return false
    }
    #expect(error.code == .kernelRefused, "change \(n)", sourceLocation: sourceLocation)
    #expect(error.message.hasSuffix("injected"), "change \(n): \(error.message)", sourceLocation: sourceLocation)
    try expectNothingLeft(since: before, "change \(n)", sourceLocation)
    return true
  }

  /// Runs an ADD whose result cannot be written, and expects that error and that nothing is left.
  public func expectRollbackWithoutReader(
    _ json: String = "", sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let before = kernel.state, refusal = CNIError(.ioFailure, "write the result")
    #expect(throws: refusal, sourceLocation: sourceLocation) {
      try plugin.add(call(json)) { (_) throws(CNIError) in throw refusal }
    }
    try expectNothingLeft(since: before, "without reader", sourceLocation)
  }

  private func expectNothingLeft(
    since before: FakeKernel.State, _ what: Comment, _ sourceLocation: SourceLocation
  ) throws {
    #expect(kernel.state == before, what, sourceLocation: sourceLocation)
    let ruleSets = try kernel.filter.ruleSets(of: owner.network)
    #expect(ruleSets == [], what, sourceLocation: sourceLocation)
  }
}
