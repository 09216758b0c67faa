import CNI

/// What the file of an attachment's backup is called.
struct BackupNames {
  /// The attachment in words.
  let attachment: String
  /// As the reference plugin names it; too long, which that refuses, by a hash.
  let shared: String
  /// A name that no other attachment has.
  let own: String
  /// Whether `own` does not say whose it is.
  let isHashed: Bool
  /// Whether `shared` can mean no other container and interface: `a_b` and `eth0` share theirs with `a` and `b_eth0`.
  let isUnmistakable: Bool

  init(_ owner: Owner) {
    // A colon is in none of the three.
    attachment = "\(owner.network):\(owner.container):\(owner.interface)"
    let stem = "\(owner.container)_\(owner.interface)"
    let fits = stem.utf8.count <= Self.longestStem
    shared = (fits ? stem : "#" + Owner.shortHash(stem)) + ".json"
    isHashed = attachment.utf8.count > Self.longestStem
    own =
      (isHashed ? "#" + Owner.shortHash(attachment) + Owner.shortHash(String(attachment.reversed())) : attachment)
      + ".json"
    isUnmistakable = fits && stem.utf8.count { $0 == UInt8(ascii: "_") } == 1
  }

  /// A file's name has at most 255 bytes, with `.json`.
  private static let longestStem = 250

  /// What the file is called until it is whole.
  static func unfinished(_ name: String) -> String {
    let whole = name + ".tmp"
    return whole.utf8.count <= 255 ? whole : "#" + Owner.shortHash(name) + ".tmp"
  }
}
