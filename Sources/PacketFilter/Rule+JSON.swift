public import CNI
import NetTypes

extension Masquerade: JSONReadable {
  var json: JSONValue { .record(["address": .text(address), "subnet": .text(subnet), "random": .bool(isRandom)]) }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      try json.required("address").parsed(), in: try json.required("subnet").parsed(),
      isRandom: try json.flag("random") ?? false)
  }
}

extension Isolation: JSONReadable {
  var json: JSONValue {
    .record([
      "bridge": .text(bridge), "reach": .text(reach.rawValue), "separates": .bool(separatesContainers),
      "partner": .text(partner), "direct": .nonEmptyTexts(directPrefixes),
    ])
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
  var json: JSONValue {
    .record([
      "bridge": .text(bridge), "from": .text(from), "to": .text(to), "protocol": .text(transport),
      "port": .number(port),
    ])
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      try json.required("bridge").parsed(), from: try json.required("from").parsed(),
      to: try json.required("to").parsed(), try json.required("protocol").parsed(),
      try json.required("port").portNumber())
  }
}

extension SourceGuard: JSONReadable {
  var json: JSONValue { .record(["port": .text(port), "mac": .text(mac)]) }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(try json.required("port").parsed(), mac: try json.required("mac").parsed())
  }
}

extension PublishedPort: JSONReadable {
  var json: JSONValue {
    .record([
      "protocol": .text(transport), "hostIP": .text(hostIP), "hostPort": .number(hostPort), "target": .text(target),
      "targetPort": .number(targetPort), "masquerade": masquerade?.json, "conditions": .nonEmptyTexts(conditions),
      "excludedDevices": .nonEmptyTexts(excludedDevices), "chain": .text(chain), "spare": .flag(isSpare),
    ])
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
  var json: JSONValue {
    var bit: Int?, chain: String?
    switch marking {
    case .none: break
    case .bit(let number): bit = number
    case .chain(let name): chain = name
    }
    return .record([
      "subnet": .text(subnet), "link": .text(link), "everything": .bool(everything), "bit": .number(bit),
      "chain": .text(chain),
    ])
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
  var json: JSONValue {
    .record([
      "external": .text(external), "target": .text(target), "link": .text(link), "subnet": .text(subnet),
      "device": .text(device),
    ])
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      try json.required("external").parsed(), to: try json.required("target").parsed(),
      link: try json.required("link").parsed(), subnet: try json.required("subnet").parsed(),
      device: try json.parsed("device"))
  }
}

extension Admission: JSONReadable {
  var json: JSONValue {
    .record([
      "address": .text(address), "adminChain": .text(adminChain), "link": .text(network?.link),
      "subnet": .text(network?.subnet),
    ])
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(try json.required("address").parsed(), adminChain: try json.text("adminChain"))
    if let link: InterfaceName = try json.parsed("link"), let subnet: IPPrefix = try json.parsed("subnet") {
      network = Network(link, subnet)
    }
  }
}

extension Passage: JSONReadable {
  var json: JSONValue {
    .record([
      "subnet": .text(subnet), "kind": .text(kind.rawValue), "link": .text(link), "adminChain": .text(adminChain),
    ])
  }

  public init(_ json: JSONReader) throws(CNIError) {
    let text = try json.required("kind")
    guard let kind = Kind(rawValue: try text.text()) else { throw text.refusal("outbound or published") }
    self.init(
      try json.required("subnet").parsed(), kind, link: try json.parsed("link"),
      adminChain: try json.text("adminChain"))
  }
}
