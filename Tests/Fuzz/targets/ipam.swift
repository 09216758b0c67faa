import CNI
import IPAM
import NetTypes

/// A configuration gives range sets with addresses inside their subnets, or is refused with a code.
func fuzz(_ bytes: [UInt8]) {
  let codes: [CNIError.Code] = [
    .decodingFailure, .invalidNetworkConfig, .unsupportedField, .incompatibleVersion, .poolExhausted,
  ]
  attempt(codes) { () throws(CNIError) in
    let config = try CNIJSON.decode(HostLocalConfig.self, from: bytes)
    for set in try config.rangeSets(autoSubnets: unused) { check(set) }
  }
}

/// The subnets for "auto".
var unused: [IPFamily: IPPrefix] {
  var chosen: [IPFamily: IPPrefix] = [:]
  chosen[.v4] = IPPrefix("172.17.0.0/16")
  chosen[.v6] = IPPrefix("fd00:1::/64")
  return chosen
}

func check(_ set: RangeSet) {
  require(!set.ranges.isEmpty, "\(set.key): no range")
  for range in set.ranges {
    for span in range.usable {
      require(span.first <= span.last, "\(range.key): \(span)")
      require(range.subnet.contains(span.first) && range.subnet.contains(span.last), "\(range.key): \(span) outside")
      require(range.gateway.map { !span.contains($0) } ?? true, "\(range.key): the gateway would be handed out")
    }
  }
  // From any last address, allocation visits every address once.
  for last in set.ranges.flatMap({ [$0.span.first, $0.span.last] }) {
    let order = set.usable(after: last)
    require(order.reduce(0) { $0 &+ $1.count } == set.usable.reduce(0) { $0 &+ $1.count }, "\(set) after \(last)")
  }
  _ = set.capacity
}
