import Linux
import NetTypes

/// The content of a lease file.
enum LeaseContent: Equatable {
  case missing
  case held(LeaseHolder)
  /// An incomplete file, whose writer was killed. No process is about to fill it, as the lock is held.
  case incomplete
  /// Not a regular file: it blocks the address until the operator removes it.
  case unknown

  init(ofFile path: String) throws(KernelError) {
    switch try Files.state(path, limit: 1 << 16) {
    case .missing: self = .missing
    case .content(let bytes): self = LeaseHolder(fileContent: bytes).map { .held($0) } ?? .incomplete
    case .other: self = .unknown
    }
  }
}

/// The address that a file of that name leases; `nil` for other names, and for other spellings of an address.
func leasedAddress(_ name: String) -> IPAddress? {
  guard let address = IPAddress(name), address.description == name else { return nil }
  return address
}
