import NetTypes
import PacketFilter

extension Plan {
  /// Adds the chain in front of all other rules of INPUT, so that a host with a default drop accepts the containers' queries.
  mutating func add(_ service: NameService) {
    let table = TableName(.filter, service.address.family)
    let chain = Layout.serviceChain(service.address)
    need(.chain(Layout.names), table)
    for transport in [TransportProtocol.udp, .tcp] {
      var jump = TableRule(
        table.family, .port(transport, NameService.port), .comment("cni: name servers"), target: .jump(Layout.names))
      jump.transport = transport
      need(.shared(jump, in: "INPUT", .first), table)
    }
    need(.filled(.init(chain: chain, rules: service.rules, subject: "name service at \(service.address)")), table)
    var jump = TableRule(table.family, target: .jump(chain))
    jump.destination = Test(IPPrefix(host: service.address))
    need(.shared(jump, in: Layout.names, .last), table)
    own(chain, table)
  }
}

extension NameService {
  /// Queries that the host sends to itself are left to the other rules.
  fileprivate var rules: [TableRule] {
    var accept = TableRule(address.family, target: .accept)
    accept.inDevice = Test(Device(bridge))
    var drop = TableRule(address.family, target: .drop)
    if let loopback = InterfaceName("lo") { drop.inDevice = Test(Device(loopback), isNegated: true) }
    return [accept, drop]
  }
}
