import CNI
import Kernel
import Linux
import NetTypes

/// One call of one plugin: checks the input, then calls the plugin.
struct Runner<P: Plugin & ~Copyable>: ~Copyable {
  var plugin: P
  var invocation: Invocation
  var input: [UInt8]
  var journal: Journal?
  /// Another plugin of the suite that is linked into this executable.
  var builtIn: BuiltInPlugin?
  /// Writes what the runtime gets.
  var print: ([UInt8]) throws(CNIError) -> Void
  let plan: PlanOutput?

  init(
    plugin: consuming P, invocation: Invocation, input: [UInt8], journal: Journal?, builtIn: BuiltInPlugin? = nil,
    print: @escaping ([UInt8]) throws(CNIError) -> Void
  ) {
    self.plugin = plugin
    self.invocation = invocation
    self.input = input
    self.journal = journal
    self.builtIn = builtIn
    self.print = print
    plan = invocation.isDryRun ? PlanOutput() : nil
  }

  func run() throws(CNIError) {
    if invocation.command == .version { return try printVersions() }
    let isStrict = P.refusesRepeatedKeys && [.add, .check].contains(invocation.command)
    let document = try Document(input, refusingRepeatedKeys: isStrict)
    let header: NetworkHeader = try document.read()
    let name = try header.checkedName()
    _ = try header.checkedType()
    let ipam = try header.checkedIPAMType()
    let version = try SpecVersion(configured: header.cniVersion)
    try check(version, allows: invocation.command)
    let delegation = DelegateRunner(searchPath: invocation.searchPath, journal: journal, builtIn: builtIn)
    // An IPAM plugin gets the main plugin's configuration, so `ipam.type` is its own name.
    let delegates = Delegates(ipam: P.isIPAMPlugin ? nil : ipam) {
      [input, plan] (type, command, other) throws(CNIError) in
      guard let plan else { return try delegation.run(type, command, other ?? input) }
      return try delegation.plan(type, command, other ?? input, isIPAM: type == ipam, into: plan)
    }
    let parsed = ParsedInput(document: document, delegates: delegates)
    switch invocation.command {
    case .add: try add(owner(on: name), version, parsed)
    case .check: try plugin.check(call(owner(on: name), parsed))
    case .del: try delete(owner(on: name), parsed)
    case .gc: try collectGarbage(name, parsed)
    case .status: try plugin.status(network(name, parsed))
    case .version: break
    }
  }

  private func check(_ version: SpecVersion, allows command: Command) throws(CNIError) {
    guard version < command.since else { return }
    throw CNIError(
      .incompatibleVersion, "config version does not allow \(command.rawValue)",
      details: "cniVersion \"\(version.rawValue)\": want \(command.since.rawValue) or later")
  }

  private func owner(on network: NetworkName) throws(CNIError) -> AttachmentID {
    guard let container = invocation.container, let interface = invocation.interface else {
      throw CNIError(.invalidEnvironment, "required env variables [CNI_CONTAINERID,CNI_IFNAME] missing")
    }
    return AttachmentID(network: network, container: container, interface: interface)
  }

  private func add(_ owner: AttachmentID, _ version: SpecVersion, _ parsed: ParsedInput) throws(CNIError) {
    guard let plan else {
      do throws(KernelError) { try AttachGate.pass() } catch { throw CNIError(.tryAgainLater, "\(error)") }
      return try plugin.add(call(owner, parsed)) { (result) throws(CNIError) in
        try print(result.json(version).bytes)
      }
    }
    try plugin.add(call(owner, parsed)) { (result) throws(CNIError) in
      let lines = plan.lines.map { $0 + "\n" }.joined()
      try print(Array((lines + PlanOutput.resultPrefix).utf8) + result.json(version).bytes)
    }
  }

  private func call(_ owner: AttachmentID, _ parsed: ParsedInput) throws(CNIError) -> Call<P.Config> {
    let config: P.Config = try parsed.document.read()
    // An IPAM plugin gets the main plugin's configuration.
    if !P.limitsConnections, !P.isIPAMPlugin, let policy = JSONReader(parsed.document.value)["policy"] {
      throw CNIError(
        .unsupportedField,
        "key \"\(policy.path)\": \(P.name) limits no connections: want the key in bridge, overlay-vxlan, firewall, macvlan or ipvlan"
      )
    }
    let keys: RuntimeKeys = try parsed.document.read()
    let previous = try parsed.document.previousResult()
    if invocation.command == .check, previous == nil {
      throw CNIError(.invalidNetworkConfig, "missing prevResult: CHECK needs the result of ADD")
    }
    if P.namespaceRule == .container { try checkNamespace() }
    if let peer = plugin.peerNamespace(config) { try check(peer) }
    var call = Call(
      owner: owner, namespacePath: invocation.namespacePath, argumentsText: invocation.argumentsText, config: config,
      keys: keys, previous: previous, delegates: parsed.delegates, journal: journal)
    call.plan = plan
    return call
  }

  /// Runs DEL with the parts of the input that can be read.
  ///
  /// - Throws: an error of the namespace, except "not found", before anything is removed: the interface may still be
  ///   in it.
  private func delete(_ owner: AttachmentID, _ parsed: ParsedInput) throws(CNIError) {
    let state = namespaceState()
    if case .unusable(let error) = state, !error.meansNoNamespace {
      throw CNIError(.tryAgainLater, "CNI_NETNS: \(error)", details: "errno \(error.errno)")
    }
    let config: P.Config? = try? parsed.document.read()
    let removal = Removal(
      owner: owner, namespacePath: state == .other ? invocation.namespacePath : nil,
      config: config ?? P.partialConfig(parsed.document.value), previous: try? parsed.document.previousResult(),
      delegates: parsed.delegates, journal: journal)
    try plugin.delete(removal)
    if P.namespaceRule == .container, state == .own { throw sameNamespace }
  }

  private func collectGarbage(_ name: NetworkName, _ parsed: ParsedInput) throws(CNIError) {
    let network = try network(name, parsed)
    let listed: ValidAttachments = try parsed.document.read()
    guard let valid = listed.attachments else {
      // Without the key the valid attachments are unknown, so nothing is removed; delegates get the same input.
      return try parsed.delegates.forward(.gc)
    }
    try plugin.collectGarbage(network, valid: valid)
  }

  private func network(_ name: NetworkName, _ parsed: ParsedInput) throws(CNIError) -> NetworkCall<P.Config> {
    NetworkCall(
      name: name, config: try parsed.document.read(), configuredIPv6: JSONReader(parsed.document.value).configuredIPv6,
      delegates: parsed.delegates, journal: journal)
  }

  private func printVersions() throws(CNIError) {
    let requestedVersion = (try? CNIJSON.decode(NetworkHeader.self, from: input))?.cniVersion ?? ""
    let answer = JSONValue.object([
      "cniVersion": .string(requestedVersion.isEmpty ? SpecVersion.latest.rawValue : requestedVersion),
      "supportedVersions": .array(SpecVersion.allCases.map { .string($0.rawValue) }),
    ])
    try print(answer.bytes)
  }
}

/// A network configuration, parsed once for all its readers.
struct Document {
  var value: JSONValue

  /// - Throws: code 6 if the bytes are no JSON object.
  init(_ bytes: [UInt8], refusingRepeatedKeys: Bool) throws(CNIError) {
    value = try CNIJSON.decodeValue(bytes, refusingRepeatedKeys: refusingRepeatedKeys)
    guard value.object != nil else {
      throw CNIError(.decodingFailure, "network configuration: want a JSON object")
    }
  }

  func read<Value: JSONReadable>() throws(CNIError) -> Value { try Value(JSONReader(value)) }

  /// `prevResult`, which the runtime adds for a plugin chain.
  func previousResult() throws(CNIError) -> AddResult? {
    try JSONReader(value).object("prevResult", as: PrintedResult.self)?.result
  }
}

/// The runtime's input, and the plugins to which this one delegates.
private struct ParsedInput {
  var document: Document
  var delegates: Delegates
}
