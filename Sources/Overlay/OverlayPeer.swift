public import CNI
public import NetTypes

/// Another host of an overlay network.
public struct OverlayPeer: Equatable, Sendable {
  /// Its underlay address.
  public var vtep: IPAddress
  /// The MAC address of its VXLAN device; `nil`: derived from `vtep` and the VNI, the same on every host.
  public var vtepMAC: MACAddress?
  /// The subnets of its containers, in mode l3.
  public var subnets: [IPPrefix]
  /// Its containers, if the control plane lists them, in mode l2.
  public var endpoints: [OverlayEndpoint]

  public init(
    _ vtep: IPAddress, vtepMAC: MACAddress? = nil, subnets: [IPPrefix] = [], endpoints: [OverlayEndpoint] = []
  ) {
    self.vtep = vtep
    self.vtepMAC = vtepMAC
    self.subnets = subnets
    self.endpoints = endpoints
  }
}

/// A container on another host.
public struct OverlayEndpoint: Hashable, Sendable {
  public var address: IPAddress
  public var mac: MACAddress

  public init(_ address: IPAddress, _ mac: MACAddress) {
    self.address = address
    self.mac = mac
  }
}

extension OverlayPeer: JSONReadable {
  private static let keys: Set<String> = ["vtep", "vtepmac", "subnet", "subnets", "endpoints"]

  /// Reads one peer of the configuration or of a peers file.
  ///
  /// - Throws: code 7 for an invalid value or an unknown key: peers are often written by hand, and a misspelt key must
  ///   not be ignored.
  public init(_ json: JSONReader) throws(CNIError) {
    if let unknownKey = json.value.object?.keys.sorted().first(where: { !Self.keys.contains($0.lowercased()) }) {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"\(json.path).\(unknownKey)\": want vtep, vtepMac, subnet, subnets or endpoints")
    }
    vtep = try json.required("vtep").parsed()
    vtepMAC = try json.parsed("vtepMac")
    if vtepMAC.map({ $0.isZero || $0.isMulticast }) == true {
      throw try json.required("vtepMac").refusal("a unicast address")
    }
    subnets = try json.parsedList("subnets") ?? []
    if let one: IPPrefix = try json.parsed("subnet") { subnets.insert(one, at: 0) }
    subnets = subnets.map { $0.network }
    endpoints = try json.objects("endpoints") ?? []
  }
}

extension OverlayEndpoint: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    address = try json.required("ip").parsed()
    mac = try json.parsed("mac") ?? MACAddress(forContainer: address)
  }
}
