import Kernel
import NetTypes
@testable import Netlink

/// Any bytes from a netlink socket are split into messages and parsed as far as they are valid.
func fuzz(_ bytes: [UInt8]) {
  let messages = Message.split(bytes[...])
  let covered = messages.reduce(0) { $0 + Message.headerSize + $1.payload.count }
  require(covered <= bytes.count, "\(covered) bytes in messages, \(bytes.count) were read")
  for message in messages {
    if let answer = Acknowledgement(message) { require(answer.text.utf8.count <= 3 * bytes.count, answer.text) }
    if let link = LinkInfo(message) { checkLink(link) }
    _ = DADState(message)
  }
}

func checkLink(_ link: LinkInfo) {
  require(InterfaceName(link.name.description) == link.name, "\(link.name) is no interface name")
  require(link.mtu >= 0, "\(link.name): mtu \(link.mtu)")
  if let childLink = link.childKind {
    require(childLink.kind == link.kind, "\(link.name): \(childLink) is no \(link.kind ?? "link")")
  }
}
