import CNI
import Etcd
import NetTypes

/// What this host remembers of its own entry in etcd: `NETWORK.json`.
struct HostRecord: Equatable {
  var prefix: String
  var key: String
  var local: IPAddress
  /// Its containers' subnets, in mode l3.
  var subnets: [IPPrefix] = []
  /// `nil`: the entry has none, or was given up.
  var lease: EtcdLease?
  /// What the lease was good for when it was renewed.
  var leaseSeconds: Int
  /// When that was, in seconds since 1970.
  var renewed: Int
  /// What etcd said of the network then.
  var vni: Int
  var port: UInt16
  var network: [IPPrefix] = []

  /// Whether less than that part of the lease's time has passed, one half for 2.
  func isFresh(_ part: Int, at now: Int) -> Bool {
    // Before: somebody has set the clock.
    now >= renewed && now - renewed < leaseSeconds / part
  }

  /// What is known of the network while etcd says nothing.
  var knowledge: OverlayKnowledge {
    var knowledge = OverlayKnowledge()
    knowledge.ownSubnets = subnets
    knowledge.network = network
    knowledge.vni = vni
    knowledge.port = port
    return knowledge
  }
}

extension HostRecord: JSONReadable {
  init(_ json: JSONReader) throws(CNIError) {
    prefix = try json.required("prefix").text()
    key = try json.required("key").text()
    local = try json.required("local").parsed()
    subnets = try json.parsedList("subnets") ?? []
    lease = try json.integer("lease").map { EtcdLease(id: Int64($0)) }
    leaseSeconds = try json.required("leaseSeconds").integer()
    renewed = try json.required("renewed").integer()
    vni = try json.required("vni").integer()
    port = try json.required("port").portNumber()
    network = try json.parsedList("network") ?? []
  }

  var json: JSONValue {
    var members: [String: JSONValue] = [
      "prefix": .string(prefix), "key": .string(key), "local": .string(local.description),
      "subnets": .array(subnets.map { .string($0.description) }), "leaseSeconds": .integer(Int64(leaseSeconds)),
      "renewed": .integer(Int64(renewed)), "vni": .integer(Int64(vni)), "port": .integer(Int64(port)),
      "network": .array(network.map { .string($0.description) }),
    ]
    members["lease"] = lease.map { .integer($0.id) }
    return .object(members)
  }
}

/// What this host remembers of an attachment that it told others of: what it wrote, to know it again.
struct EndpointRecord: Equatable {
  var container: ContainerID
  var interface: InterfaceName
  var endpoints: [OverlayEndpoint]
  /// As the entries have it.
  var vtep: IPAddress

  func owner(on network: NetworkName) -> Owner { Owner(network: network, container: container, interface: interface) }

  /// Keys in etcd with what they hold.
  func entries(_ prefix: String, on network: NetworkName) -> [(key: String, value: [UInt8])] {
    endpoints.map { endpoint in
      let value = BridgedEndpoint.value(of: endpoint, owner(on: network), at: vtep)
      return (BridgedKeys.endpoints(prefix) + endpoint.address.description, value.bytes)
    }
  }
}

extension EndpointRecord: JSONReadable {
  init(_ json: JSONReader) throws(CNIError) {
    container = try json.required("container").parsed()
    interface = try json.required("interface").parsed()
    endpoints = try json.objects("endpoints") ?? []
    vtep = try json.required("vtep").parsed()
  }

  var json: JSONValue {
    .object([
      "container": .string(container.description), "interface": .string(interface.description),
      "vtep": .string(vtep.description),
      "endpoints": .array(
        endpoints.map { .object(["ip": .string($0.address.description), "mac": .string($0.mac.description)]) }),
    ])
  }
}
