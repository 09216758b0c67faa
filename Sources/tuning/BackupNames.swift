import CNI

/// The possible file names of an attachment's backup.
struct BackupNames {
  /// The attachment as text.
  let attachment: String
  /// The reference plugin's name for it; a hash if the name is too long, which the reference plugin refuses.
  let shared: String
  /// A name that no other attachment has.
  let own: String
  /// Whether `own` is a hash that does not show the attachment.
  let isHashed: Bool
  /// Whether `shared` is unique: `a_b` with `eth0` has the same name as `a` with `b_eth0`.
  let isSharedNameUnique: Bool

  init(_ owner: AttachmentID) {
    // None of the three can contain a colon.
    attachment = "\(owner.network):\(owner.container):\(owner.interface)"
    let stem = "\(owner.container)_\(owner.interface)"
    let fits = stem.utf8.count <= Self.longestStem
    shared = (fits ? stem : "#" + AttachmentID.shortHash(stem)) + ".json"
    isHashed = attachment.utf8.count > Self.longestStem
    own =
      (isHashed
        ? "#" + AttachmentID.shortHash(attachment) + AttachmentID.shortHash(String(attachment.reversed())) : attachment)
      + ".json"
    isSharedNameUnique = fits && stem.utf8.count { $0 == UInt8(ascii: "_") } == 1
  }

  /// A file name has at most 255 bytes, `.json` included.
  private static let longestStem = 250

  /// The temporary name of the file while it is written.
  static func temporaryName(_ name: String) -> String {
    let whole = name + ".tmp"
    return whole.utf8.count <= 255 ? whole : "#" + AttachmentID.shortHash(name) + ".tmp"
  }
}
