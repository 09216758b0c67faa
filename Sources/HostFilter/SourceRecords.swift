import Linux
import NetTypes
import PacketFilter

/// The sources that we added to firewalld's permanent configuration: files `BOOT/ZONE@ADDRESS` with the owner's tag.
///
/// Like that configuration, the files survive a reboot, but containers do not: sources of an earlier boot are stale. The
/// directory `stale` has those that could not be removed together with their container.
struct SourceRecords {
  private let directory: RecordDirectory
  /// The kernel's boot identifier.
  private let boot: String
  private let stale = "stale"

  /// - Parameter directory: the directory of the files.
  init(directory: String) {
    self.directory = RecordDirectory(directory, mode: 0o700)
    let bytes = (try? Files.readIfPresent("/proc/sys/kernel/random/boot_id")) ?? nil  // every Linux has it
    let text = String(decoding: bytes ?? [], as: UTF8.self)
    boot = text.split(whereSeparator: { $0.isWhitespace }).first.map(String.init) ?? "boot"
  }

  private var ofThisBoot: RecordDirectory { directory.subdirectory(boot) }

  func add(_ sources: [ZoneSource], for tag: String) throws(KernelError) {
    for source in sources { try ofThisBoot.write(source.fileName, Array(tag.utf8)) }
  }

  /// The tag of the attachment that added the source in this boot.
  func tag(of source: ZoneSource) throws(KernelError) -> String? {
    try ofThisBoot.read(source.fileName).map { String(decoding: $0, as: UTF8.self) }
  }

  func remove(_ sources: [ZoneSource]) throws(KernelError) { try remove(sources, from: ofThisBoot) }

  /// Marks sources as stale that firewalld still has.
  func markStale(_ sources: [ZoneSource]) throws(KernelError) {
    guard !sources.isEmpty else { return }
    for source in sources { try directory.subdirectory(stale).write(source.fileName, []) }
    try remove(sources)
  }

  private func remove(_ sources: [ZoneSource], from subdirectory: RecordDirectory) throws(KernelError) {
    for source in sources { try subdirectory.remove(source.fileName) }
    try subdirectory.removeIfEmpty()
  }

  var hasStale: Bool {
    get throws(KernelError) { try directory.names().contains { $0 != boot } }
  }

  /// Calls `removeSources` with the stale sources that no attachment has added again.
  ///
  /// - Parameter removeSources: removes sources and returns those that are still there.
  /// - Throws: the first error of `removeSources` or of a file.
  func sweep(_ removeSources: ([ZoneSource]) throws(KernelError) -> [ZoneSource]) throws(KernelError) {
    for name in try directory.names() where name != boot {
      let subdirectory = directory.subdirectory(name)
      let sources = try subdirectory.names(ZoneSource.init(fileName:))
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
