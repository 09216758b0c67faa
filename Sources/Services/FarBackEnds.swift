import CNI
import NetTypes
import PacketFilter

/// The back-ends of other hosts, as this host's rules have them.
struct FarBackEnds {
  private(set) var backEnds: [BackEnd] = []
  private let subnets: [IPPrefix]
  /// The back-end that each front was first seen with.
  private var fronts: [ServiceFront: BackEnd]
  private var seen: Set<String> = []

  /// - Parameters:
  ///   - local: the back-ends of this host, which take precedence.
  ///   - records: the records of other hosts.
  ///   - warn: called with what was left out and why.
  init(beside local: [BackEnd], _ records: [BackEndRecord], warn: (String) -> Void) {
    subnets = IPFamily.allCases.compactMap { family in local.first { $0.family == family }?.subnet.network }
    fronts = local.reduce(into: [:]) { $0[$1.front] = $0[$1.front] ?? $1 }
    for record in records {
      for backEnd in record.backEnds {
        if let reason = add(backEnd) { warn("etcd: back-end \(backEnd) on host \(record.node) is left out: \(reason)") }
      }
    }
  }

  /// - Returns: why the back-end was left out, if that is an error.
  private mutating func add(_ backEnd: BackEnd) -> String? {
    // Without a subnet no container of this host has the family.
    guard let subnet = subnets.first(where: { $0.family == backEnd.family }) else { return nil }
    guard !subnet.overlaps(backEnd.subnet) else { return "its subnet is this host's too" }
    let first = fronts[backEnd.front] ?? backEnd
    guard first.frontName == backEnd.frontName else {
      return "service \"\(first.service)\" has this address and port, with \(first.settings)"
    }
    // haproxy needs the virtual address on this host, which has it with a container of the service.
    if backEnd.proxy != nil, fronts[backEnd.front] == nil { return nil }
    fronts[backEnd.front] = first
    var far = backEnd
    far.subnet = subnet
    far.device = nil
    far.isFar = true
    // Two records of the same address: the container of one of them is gone.
    if seen.insert(far.description).inserted { backEnds.append(far) }
    return nil
  }
}
