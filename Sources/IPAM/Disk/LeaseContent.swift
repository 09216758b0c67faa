import Linux
import NetTypes

/// What is behind a lease file's name.
enum LeaseContent: Equatable {
  case missing
  case held(LeaseHolder)
  /// A file that names nobody: its writer died. Under the lock nobody is about to fill it.
  case torn
  /// Something that is no file: it blocks the address, and only a person can say why.
  case unknown

  init(ofFile path: String) throws(KernelError) {
    switch try Files.state(path, limit: 1 << 16) {
    case .missing: self = .missing
    case .content(let bytes): self = LeaseHolder(fileContent: bytes).map { .held($0) } ?? .torn
    case .other: self = .unknown
    }
  }
}

/// The address a file of that name leases; `nil` for other files, and for spellings that nobody writes.
func leasedAddress(_ name: String) -> IPAddress? {
  guard let address = IPAddress(name), address.description == name else { return nil }
  return address
}
