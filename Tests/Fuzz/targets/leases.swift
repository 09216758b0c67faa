import NetTypes
@testable import IPAM

/// A file of a lease directory is read as a lease, a mark or neither; a lease is written back unchanged.
func fuzz(_ bytes: [UInt8]) {
  if let holder = LeaseHolder(fileContent: bytes) { checkHolder(holder, bytes) }
  let text = String(decoding: bytes, as: UTF8.self)
  if let mark = LeaseLifetime(text: text) {
    require(LeaseLifetime(text: mark.text) == mark, "\(text): \(mark.text)")
  }
  if let address = leasedAddress(text) {
    require(address.description == text, "\(text): leases \(address)")
  }
  if let span = AddressSpan(text) {
    require(span.first <= span.last && AddressSpan(span.description) == span, "\(text): \(span)")
  }
}

func checkHolder(_ holder: LeaseHolder, _ bytes: [UInt8]) {
  guard let again = LeaseHolder(fileContent: holder.fileContent) else { fatalError("\(holder): unreadable") }
  // White space around the text is ignored, so a name that ends in white space may lose it.
  require(again.container.hasPrefix(trimmed(holder.container)), "\(holder), then \(again)")
  require(holder.fileContent.count <= bytes.count, "\(holder): longer than what was read")
}

func trimmed(_ text: String) -> String {
  let isSpace = { (scalar: Unicode.Scalar) in scalar.properties.isWhitespace }
  let scalars = text.unicodeScalars.drop(while: isSpace)
  return String(String.UnicodeScalarView(scalars.reversed().drop(while: isSpace).reversed()))
}
