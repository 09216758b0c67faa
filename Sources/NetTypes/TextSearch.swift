extension StringProtocol {
  /// Whether the text has that part; compares bytes.
  public func containsText(_ part: String) -> Bool {
    let bytes = part.utf8
    return utf8.indices.contains { utf8[$0...].starts(with: bytes) }
  }
}
