import Linux
import NetTypes

/// The addresses of names: `names/<hash>` has the name and its addresses, `addresses/<address>` has that hash.
///
/// The name's file decides; an address's file only leads to it. Changed under the network's lock.
struct StickyFiles {
  var directory: String

  func addresses(of name: StickyName) throws(KernelError) -> [IPAddress] {
    guard let record = try record(fileName(name)), record.name == name else { return [] }
    return record.addresses
  }

  func name(of address: IPAddress) throws(KernelError) -> StickyName? {
    guard let file = try Files.state("\(directory)/addresses/\(address)").bytes else { return nil }
    guard let record = try record(String(decoding: file, as: UTF8.self)) else { return nil }
    return record.addresses.contains(address) ? record.name : nil
  }

  func recordAddresses(_ addresses: [IPAddress], for name: StickyName) throws(KernelError) {
    let before = try self.addresses(of: name)
    guard before != addresses else { return }
    try Files.makeDirectories("\(directory)/names")
    try Files.makeDirectories("\(directory)/addresses")
    for address in addresses {
      if let other = try self.name(of: address), other != name { try removeRecord(other) }
      try Files.replace(
        "\(directory)/addresses/\(address)", with: Array(fileName(name).utf8), mode: 0o600, durable: true)
    }
    let record = Record(name: name, addresses: addresses)
    try Files.replace("\(directory)/names/\(fileName(name))", with: Array(record.text.utf8), mode: 0o600, durable: true)
    for address in before where !addresses.contains(address) { try Files.clear("\(directory)/addresses/\(address)") }
  }

  private func removeRecord(_ name: StickyName) throws(KernelError) {
    let addresses = try addresses(of: name)
    try Files.clear("\(directory)/names/\(fileName(name))")
    for address in addresses { try Files.clear("\(directory)/addresses/\(address)") }
  }

  private func fileName(_ name: StickyName) -> String {
    FNV1a("\(name.container)\0\(name.interface)").mixedBits.hexDigits
  }

  private func record(_ fileName: String) throws(KernelError) -> Record? {
    guard !fileName.contains("/") else { return nil }
    return try Files.state("\(directory)/names/\(fileName)").bytes.flatMap {
      Record(text: String(decoding: $0, as: UTF8.self))
    }
  }

  /// One line each: interface, addresses and the container's name, which comes last as it may contain line breaks.
  private struct Record {
    var name: StickyName
    var addresses: [IPAddress]

    init(name: StickyName, addresses: [IPAddress]) {
      self.name = name
      self.addresses = addresses
    }

    init?(text: String) {
      let lines = text.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard lines.count == 3 else { return nil }
      name = StickyName(container: lines[2], interface: lines[0])
      addresses = lines[1].split(separator: " ").compactMap { IPAddress(String($0)) }
    }

    var text: String {
      "\(name.interface)\n\(addresses.map(\.description).joined(separator: " "))\n\(name.container)"
    }
  }
}
