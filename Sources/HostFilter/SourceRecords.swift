import Linux
import NetTypes
import PacketFilter

/// The sources that we added to firewalld's permanent configuration: files `BOOT/ZONE@ADDRESS` with the owner's tag.
///
/// Like that configuration, the files survive a reboot, but containers do not: sources of an earlier boot are stale. The
/// directory `stale` has those that could not be removed together with their container.
struct SourceRecords {
  var directory: String
  /// The kernel's boot identifier.
  var boot: String

  private static let stale = "stale"

  /// - Parameter directory: the directory of the files.
  init(directory: String) {
    self.directory = directory
    let bytes = (try? Files.readIfPresent("/proc/sys/kernel/random/boot_id")) ?? nil  // every Linux has it
    let text = String(decoding: bytes ?? [], as: UTF8.self)
    boot = text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? "boot"
  }

  private func path(_ source: ZoneSource, _ subdirectory: String) -> String {
    "\(directory)/\(subdirectory)/\(source.fileName)"
  }

  func add(_ sources: [ZoneSource], for tag: String) throws(KernelError) {
    try Files.makeDirectories("\(directory)/\(boot)", mode: 0o700)
    for source in sources { try Files.replace(path(source, boot), with: Array(tag.utf8)) }
  }

  /// The tag of the attachment that added the source in this boot.
  func tag(of source: ZoneSource) throws(KernelError) -> String? {
    try Files.readIfPresent(path(source, boot)).map { String(decoding: $0, as: UTF8.self) }
  }

  func remove(_ sources: [ZoneSource]) throws(KernelError) { try remove(sources, from: boot) }

  /// Marks sources as stale that firewalld still has.
  func markStale(_ sources: [ZoneSource]) throws(KernelError) {
    guard !sources.isEmpty else { return }
    try Files.makeDirectories("\(directory)/\(Self.stale)", mode: 0o700)
    for source in sources { try Files.replace(path(source, Self.stale), with: []) }
    try remove(sources)
  }

  private func remove(_ sources: [ZoneSource], from subdirectory: String) throws(KernelError) {
    for source in sources { try Files.remove(path(source, subdirectory)) }
    try Files.removeEmptyDirectory("\(directory)/\(subdirectory)")
  }

  var hasStale: Bool {
    get throws(KernelError) { try Files.list(directory)?.contains { $0 != boot } ?? false }
  }

  /// Calls `removeSources` with the stale sources that no attachment has added again.
  ///
  /// - Parameter removeSources: removes sources and returns those that are still there.
  /// - Throws: the first error of `removeSources` or of a file.
  func sweep(_ removeSources: ([ZoneSource]) throws(KernelError) -> [ZoneSource]) throws(KernelError) {
    for subdirectory in try Files.list(directory) ?? [] where subdirectory != boot {
      let sources = try (Files.list("\(directory)/\(subdirectory)") ?? []).compactMap(ZoneSource.init(fileName:))
      var unused: [ZoneSource] = []
      for source in sources where try tag(of: source) == nil { unused.append(source) }
      let kept = try removeSources(unused)
      try remove(sources.filter { !kept.contains($0) }, from: subdirectory)
    }
  }
}

extension ZoneSource {
  /// The file name of a source; a slash in the zone's name is replaced by `%`.
  fileprivate var fileName: String { "\(String(zone.map { $0 == "/" ? "%" : $0 }))@\(address)" }

  fileprivate init?(fileName: String) {
    guard let at = fileName.lastIndex(of: "@"), let address = IPAddress(String(fileName[fileName.index(after: at)...]))
    else { return nil }
    self.init(address, in: String(fileName[..<at].map { $0 == "%" ? "/" : $0 }))
  }
}
