import NetTypes
import PacketFilter

/// One value of the number that chooses a back-end, and the back-end's address and port.
struct Slot: Equatable {
  var address: IPAddress
  var port: UInt16

  /// The seed of the hash: the same on all hosts, so that they choose the same back-end.
  static let seed: UInt32 = 1

  /// The rule's statement in nft's syntax.
  static func text(_ family: IPFamily, _ scheduler: BackEnd.Scheduler, _ slots: [Slot]) -> String {
    let number =
      switch scheduler {
      case .random: "numgen random mod \(slots.count)"
      case .roundRobin: "numgen inc mod \(slots.count)"
      case .source: "jhash \(family.word) saddr mod \(slots.count) seed 0x\(seed)"
      }
    let values = slots.enumerated().map { "\($0.offset) : \($0.element.fields.text)" }.joined(separator: ", ")
    return "dnat \(family.word) to \(number) map { \(values) }"
  }

  var fields: [Field] { [.address(address), .port(port)] }
}

extension AnonymousSet {
  private static let integerType: UInt32 = 4

  /// A map from numbers to back-ends.
  static func slots(_ slots: [Slot], _ family: IPFamily) -> AnonymousSet {
    var map = AnonymousSet(
      type: integerType, keys: slots.indices.map { Field.number(UInt32($0)).bytes },
      userData: SetUserData.key(.host) + SetUserData.value(.none) + SetUserData.noIntervalsInValues)
    map.values = slots.map { $0.fields.bytes }
    map.valueType = [Field.Kind(family), .port].number
    return map
  }
}
