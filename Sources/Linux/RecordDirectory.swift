public import NetTypes

/// A directory of records: small files that several processes read and replace.
public struct RecordDirectory: Sendable {
  public let path: String
  private let mode: UInt32
  private let fileMode: UInt32
  private let isDurable: Bool

  /// - Parameters:
  ///   - path: the directory; `write` and `lock` create it and its parents if they are missing.
  ///   - mode: its permissions; the parents get 0755.
  ///   - fileMode: the permissions of a record.
  ///   - isDurable: whether a written record must survive a power loss.
  public init(_ path: String, mode: UInt32 = 0o755, fileMode: UInt32 = 0o644, isDurable: Bool = false) {
    self.path = path
    self.mode = mode
    self.fileMode = fileMode
    self.isDurable = isDurable
  }

  /// A directory below this one, for records with the same permissions.
  public func subdirectory(_ name: String) -> RecordDirectory {
    RecordDirectory(file(name), mode: mode, fileMode: fileMode, isDurable: isDurable)
  }

  /// The path of the record.
  public func file(_ name: String) -> String { "\(path)/\(name)" }

  public func make() throws(KernelError) { try Files.makeDirectories(path, mode: mode) }

  /// The record's content; `nil` if there is none.
  public func read(_ name: String) throws(KernelError) -> [UInt8]? { try Files.readIfPresent(file(name)) }

  /// The content of a regular file; `nil` for a symbolic link and everything else.
  public func readRegular(_ name: String) throws(KernelError) -> [UInt8]? { try Files.state(file(name)).bytes }

  /// Writes the record; readers see the old content or the new one.
  public func write(_ name: String, _ bytes: [UInt8]) throws(KernelError) {
    try make()
    try Files.replace(file(name), with: bytes, mode: fileMode, durable: isDurable)
  }

  /// The sorted names that `parse` accepts, parsed; none if there is no such directory.
  public func names<Name>(_ parse: (String) -> Name?) throws(KernelError) -> [Name] {
    try (Files.list(path) ?? []).sorted().compactMap(parse)
  }

  /// The sorted names of all entries; none if there is no such directory.
  public func names() throws(KernelError) -> [String] { try names { $0 } }

  /// Removes the record; no-op if there is none.
  public func remove(_ name: String) throws(KernelError) { try Files.remove(file(name)) }

  /// Removes the record, or a symbolic link or an empty directory of that name.
  ///
  /// - Returns: `false` for a directory that is not empty, which stays.
  @discardableResult
  public func clear(_ name: String) throws(KernelError) -> Bool { try Files.clear(file(name)) }

  /// Removes the directory if it is empty.
  public func removeIfEmpty() throws(KernelError) { try Files.removeEmptyDirectory(path) }

  /// Takes the lock whose file has that name; waits at most `seconds`.
  ///
  /// - Throws: EAGAIN if another process held it all that time.
  public func lock(_ name: String, seconds: Int) throws(KernelError) -> FileLock {
    try make()
    return try FileLock(.openLock(file(name)), seconds: seconds, doing: "lock \(file(name))")
  }
}
