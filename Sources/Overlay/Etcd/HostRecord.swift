import CNI
import Etcd
import NetTypes
import PacketFilter

/// This host's record of its own entry in etcd: `NETWORK.json`.
struct HostRecord: Equatable {
  var prefix: String
  var key: String
  var local: IPAddress
  /// Its containers' subnets, in mode l3.
  var subnets: [IPPrefix] = []
  /// `nil`: the entry has no lease, or was given up.
  var lease: EtcdLease?
  /// The lease's time to live when it was renewed, in seconds.
  var leaseSeconds: Int
  /// When the lease was renewed, in seconds since 1970.
  var renewed: Int
  /// The network's configuration in etcd at that time.
  var vni: Int
  var port: UInt16
  var network: [IPPrefix] = []

  /// Whether less than that part of the lease's time has passed; 2 means one half.
  func isFresh(_ part: Int, at now: Int) -> Bool {
    // `now` is before `renewed` if the clock was set back.
    now >= renewed && now - renewed < leaseSeconds / part
  }

  /// The network's state while etcd does not answer.
  var controlState: ControlPlaneState {
    var controlState = ControlPlaneState()
    controlState.ownSubnets = subnets
    controlState.network = network
    controlState.vni = vni
    controlState.port = port
    return controlState
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
    .record([
      "prefix": .text(prefix), "key": .text(key), "local": .text(local), "subnets": .texts(subnets),
      "lease": .number(lease?.id), "leaseSeconds": .number(leaseSeconds), "renewed": .number(renewed),
      "vni": .number(vni), "port": .number(port), "network": .texts(network),
    ])
  }
}

/// This host's record of a published attachment, with what is needed to recognise its entries in etcd.
struct EndpointRecord: Equatable {
  var container: ContainerID
  var interface: InterfaceName
  /// In mode l2.
  var endpoints: [OverlayEndpoint] = []
  /// In mode l3, the addresses of a container with labels.
  var labelled: [FarMember] = []
  /// The underlay address in the entries.
  var vtep: IPAddress

  func owner(on network: NetworkName) -> AttachmentID {
    AttachmentID(network: network, container: container, interface: interface)
  }

  /// The keys in etcd with their values.
  func entries(_ prefix: String, on network: NetworkName) -> [(key: String, value: [UInt8])] {
    endpoints.map { endpoint in
      let value = BridgedEndpoint.value(of: endpoint, owner(on: network), at: vtep)
      return (BridgedKeys.endpoints(prefix) + endpoint.address.description, value.bytes)
    }
      + labelled.map { member in
        let value = LabelledContainer.value(of: member, owner(on: network), at: vtep)
        return (LabelledContainer.keys(prefix) + member.address.description, value.bytes)
      }
  }
}

extension EndpointRecord: JSONReadable {
  init(_ json: JSONReader) throws(CNIError) {
    container = try json.required("container").parsed()
    interface = try json.required("interface").parsed()
    endpoints = try json.objects("endpoints") ?? []
    labelled = try json.objects("labelled") ?? []
    vtep = try json.required("vtep").parsed()
  }

  var json: JSONValue {
    .record([
      "container": .text(container), "interface": .text(interface), "vtep": .text(vtep),
      "endpoints": .array(endpoints.map { .record(["ip": .text($0.address), "mac": .text($0.mac)]) }),
      "labelled": labelled.isEmpty ? nil : .array(labelled.map { $0.json }),
    ])
  }
}
