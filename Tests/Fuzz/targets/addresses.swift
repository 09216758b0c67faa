import NetTypes

/// A value that is parsed from text, printed and parsed again stays the same, and so does its text.
func fuzz(_ bytes: [UInt8]) {
  let text = String(decoding: bytes, as: UTF8.self)
  if let address = roundTrip(IPAddress.self, text) { checkAddress(address) }
  if let prefix = roundTrip(IPPrefix.self, text) { checkPrefix(prefix) }
  if let mac = roundTrip(MACAddress.self, text) {
    require(MACAddress(bytes: mac.bytes) == mac, "\(mac): its bytes make another")
  }
  _ = roundTrip(InterfaceName.self, text)
}

func roundTrip<Value: TextCodable>(_ type: Value.Type, _ text: String) -> Value? {
  guard let value = Value(text) else { return nil }
  guard let again = Value(value.description) else { fatalError("\(text): printed as \(value), which is refused") }
  require(again == value && again.description == value.description, "\(text): \(value), then \(again)")
  return value
}

func checkAddress(_ address: IPAddress) {
  require(IPAddress(bytes: address.bytes) == address, "\(address): its bytes make another")
  require(address.predecessor.flatMap { $0.advanced(by: 1) } ?? address == address, "\(address): back and forth")
  require(IPPrefix(host: address).contains(address), "\(address): outside itself")
}

func checkPrefix(_ prefix: IPPrefix) {
  require(prefix.contains(prefix.address), "\(prefix): without its own address")
  require(prefix.first <= prefix.last && prefix.overlaps(prefix.network), "\(prefix): \(prefix.first) \(prefix.last)")
  require(prefix.network.network == prefix.network, "\(prefix): the network of its network is another")
  require(IPPrefix.everything(prefix.family).contains(prefix.last), "\(prefix): outside everything")
}
