import NetTypes

/// The Ethernet frame that tells everybody on the link which hardware address `address` has now.
///
/// IPv4: an ARP announcement (RFC 5227 section 3); IPv6: an unsolicited neighbour advertisement (RFC 4861 section 7.2.6).
func announcement(of address: IPAddress, at mac: MACAddress) -> [UInt8] {
  address.family == .v4 ? gratuitousARP(address.bytes, mac.bytes) : neighbourAdvertisement(address.bytes, mac.bytes)
}

private func gratuitousARP(_ address: [UInt8], _ mac: [UInt8]) -> [UInt8] {
  let everybody = [UInt8](repeating: 0xFF, count: 6)
  let header: [UInt8] = [0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 1]  // ARP, Ethernet, IPv4, request
  return everybody + mac + header + mac + address + [UInt8](repeating: 0, count: 6) + address
}

private func neighbourAdvertisement(_ address: [UInt8], _ mac: [UInt8]) -> [UInt8] {
  let allNodes: [UInt8] = [0xFF, 0x02] + [UInt8](repeating: 0, count: 13) + [1]
  // Type 136, the override flag, the target, and option 2: its link-layer address.
  var message: [UInt8] = [136, 0, 0, 0, 0x20, 0, 0, 0] + address + [2, 1] + mac
  let length = UInt8(message.count)
  let pseudoHeader = address + allNodes + [0, 0, 0, length, 0, 0, 0, 58]
  let sum = internetChecksum(pseudoHeader + message)
  message[2] = UInt8(sum >> 8)
  message[3] = UInt8(sum & 0xFF)
  let frame: [UInt8] = [0x33, 0x33, 0, 0, 0, 1] + mac + [0x86, 0xDD]
  return frame + [0x60, 0, 0, 0, 0, length, 58, 255] + address + allNodes + message
}

/// RFC 1071, over an even number of bytes.
private func internetChecksum(_ bytes: [UInt8]) -> UInt16 {
  var sum: UInt32 = 0
  for index in stride(from: 0, to: bytes.count - 1, by: 2) {
    sum += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1])
  }
  while sum > 0xFFFF { sum = sum >> 16 + sum & 0xFFFF }
  return ~UInt16(sum)
}
