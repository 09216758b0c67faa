import Linux
import NetTypes

/// The addresses of names: `names/<hash>` has the name and its addresses, `addresses/<address>` has that hash.
///
/// The name's file decides; an address's file only leads to it. Changed under the network's lock.
struct StickyFiles {
  let directory: String
  private let nameFiles: RecordDirectory
  private let addressFiles: RecordDirectory

  init(directory: String) {
    self.directory = directory
    let files = RecordDirectory(directory, fileMode: 0o600, isDurable: true)
    nameFiles = files.subdirectory("names")
    addressFiles = files.subdirectory("addresses")
  }

  func addresses(of name: StickyName) throws(KernelError) -> [IPAddress] {
    guard let record = try record(fileName(name)), record.name == name else { return [] }
    return record.addresses
  }

  func name(of address: IPAddress) throws(KernelError) -> StickyName? {
    guard let file = try addressFiles.readRegular("\(address)") else { return nil }
    guard let record = try record(String(decoding: file, as: UTF8.self)) else { return nil }
    return record.addresses.contains(address) ? record.name : nil
  }

  func recordAddresses(_ wanted: [IPAddress], for name: StickyName) throws(KernelError) {
    let before = try addresses(of: name)
    guard before != wanted else { return }
    for address in wanted {
      if let other = try self.name(of: address), other != name { try removeRecord(other) }
      try addressFiles.write("\(address)", Array(fileName(name).utf8))
    }
    try nameFiles.write(fileName(name), Array(Record(name: name, addresses: wanted).text.utf8))
    for address in before where !wanted.contains(address) { try addressFiles.clear("\(address)") }
  }

  private func removeRecord(_ name: StickyName) throws(KernelError) {
    let recorded = try addresses(of: name)
    try nameFiles.clear(fileName(name))
    for address in recorded { try addressFiles.clear("\(address)") }
  }

  private func fileName(_ name: StickyName) -> String {
    FNV1a("\(name.container)\0\(name.interface)").mixed.hexDigits
  }

  private func record(_ fileName: String) throws(KernelError) -> Record? {
    guard !fileName.contains("/") else { return nil }
    return try nameFiles.readRegular(fileName).flatMap { Record(text: String(decoding: $0, as: UTF8.self)) }
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
      "\(name.interface)\n\(addresses.map { $0.description }.joined(separator: " "))\n\(name.container)"
    }
  }
}
