import CLinux

extension [UInt8] {
  /// The offset of the first `part` at or after `start`; equals `memmem(3)`.
  public func offset(of part: [UInt8], from start: Int = 0) -> Int? {
    guard start >= 0, start <= count else { return nil }
    let offset = unsafe withUnsafeBytes { bytes in
      unsafe part.withUnsafeBytes { part in
        unsafe cl_find(bytes.baseAddress.map { unsafe $0 + start }, bytes.count - start, part.baseAddress, part.count)
      }
    }
    return offset < 0 ? nil : start + offset
  }
}
