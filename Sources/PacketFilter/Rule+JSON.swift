public import CNI
import NetTypes

extension Masquerade: JSONReadable {
  var members: [String: JSONValue] {
    ["address": .text(address), "subnet": .text(subnet), "random": .bool(isRandom)]
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      try json.required("address").parsed(), in: try json.required("subnet").parsed(),
      isRandom: try json.flag("random") ?? false)
  }
}

extension Isolation: JSONReadable {
  var members: [String: JSONValue] {
    var members: [String: JSONValue] = [
      "bridge": .text(bridge), "reach": .string(reach.rawValue), "separates": .bool(separatesContainers),
    ]
    members["partner"] = partner.map { .text($0) }
    if !directPrefixes.isEmpty { members["direct"] = .array(directPrefixes.map { .text($0) }) }
    return members
  }

  public init(_ json: JSONReader) throws(CNIError) {
    let text = try json.required("reach")
    guard let reach = Reach(rawValue: try text.text()) else { throw text.refusal("outside, network or nobody") }
    self.init(
      try json.required("bridge").parsed(), partner: try json.parsed("partner"),
      directPrefixes: try json.parsedList("direct") ?? [], reach: reach,
      separatesContainers: try json.flag("separates") ?? false)
  }
}

extension AllowedConnection: JSONReadable {
  var members: [String: JSONValue] {
    [
      "bridge": .text(bridge), "from": .text(from), "to": .text(to), "protocol": .text(transport),
      "port": .integer(Int64(port)),
    ]
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      try json.required("bridge").parsed(), from: try json.required("from").parsed(),
      to: try json.required("to").parsed(), try json.required("protocol").parsed(),
      try json.required("port").portNumber())
  }
}

extension SourceGuard: JSONReadable {
  var members: [String: JSONValue] { ["port": .text(port), "mac": .text(mac)] }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(try json.required("port").parsed(), mac: try json.required("mac").parsed())
  }
}

extension PublishedPort: JSONReadable {
  var members: [String: JSONValue] {
    var members: [String: JSONValue] = [
      "protocol": .text(transport), "hostPort": .integer(Int64(hostPort)), "target": .text(target),
      "targetPort": .integer(Int64(targetPort)),
    ]
    members["hostIP"] = hostIP.map { .text($0) }
    members["masquerade"] = masquerade.map { .object($0.members) }
    if !conditions.isEmpty { members["conditions"] = .array(conditions.map { .string($0) }) }
    if !excludedDevices.isEmpty { members["excludedDevices"] = .array(excludedDevices.map { .text($0) }) }
    members["chain"] = chain.map { .string($0) }
    if isSpare { members["spare"] = .bool(true) }
    return members
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      try json.required("protocol").parsed(), hostIP: try json.parsed("hostIP"),
      hostPort: try json.required("hostPort").portNumber(), to: try json.required("target").parsed(),
      try json.required("targetPort").portNumber(), masquerade: try json.object("masquerade"))
    conditions = try json.texts("conditions") ?? []
    excludedDevices = try json.parsedList("excludedDevices") ?? []
    chain = try json.text("chain")
    isSpare = try json.flag("spare") ?? false
  }
}

extension ReturnPath: JSONReadable {
  var members: [String: JSONValue] {
    var members: [String: JSONValue] = ["subnet": .text(subnet), "link": .text(link), "everything": .bool(everything)]
    switch marking {
    case .none: break
    case .bit(let number): members["bit"] = .integer(Int64(number))
    case .chain(let name): members["chain"] = .string(name)
    }
    return members
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      subnet: try json.required("subnet").parsed(), link: try json.required("link").parsed(),
      everything: try json.flag("everything") ?? false)
    if let number = try json.integer("bit") { marking = .bit(number) }
    if let name = try json.text("chain") { marking = .chain(name) }
  }
}

extension FloatingAddress: JSONReadable {
  var members: [String: JSONValue] {
    var members: [String: JSONValue] = [
      "external": .text(external), "target": .text(target), "link": .text(link), "subnet": .text(subnet),
    ]
    members["device"] = device.map { .text($0) }
    return members
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      try json.required("external").parsed(), to: try json.required("target").parsed(),
      link: try json.required("link").parsed(), subnet: try json.required("subnet").parsed(),
      device: try json.parsed("device"))
  }
}

extension Admission: JSONReadable {
  var members: [String: JSONValue] {
    var members: [String: JSONValue] = ["address": .text(address)]
    members["adminChain"] = adminChain.map { .string($0) }
    members["link"] = network.map { .text($0.link) }
    members["subnet"] = network.map { .text($0.subnet) }
    return members
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(try json.required("address").parsed(), adminChain: try json.text("adminChain"))
    if let link: InterfaceName = try json.parsed("link"), let subnet: IPPrefix = try json.parsed("subnet") {
      network = Network(link, subnet)
    }
  }
}

extension Passage: JSONReadable {
  var members: [String: JSONValue] {
    var members: [String: JSONValue] = ["subnet": .text(subnet), "kind": .string(kind.rawValue)]
    members["link"] = link.map { .text($0) }
    members["adminChain"] = adminChain.map { .string($0) }
    return members
  }

  public init(_ json: JSONReader) throws(CNIError) {
    let text = try json.required("kind")
    guard let kind = Kind(rawValue: try text.text()) else { throw text.refusal("outbound or published") }
    self.init(
      try json.required("subnet").parsed(), kind, link: try json.parsed("link"),
      adminChain: try json.text("adminChain"))
  }
}

extension JSONValue {
  /// A value by its textual form.
  fileprivate static func text(_ value: some TextCodable) -> JSONValue { .string(value.description) }
}
