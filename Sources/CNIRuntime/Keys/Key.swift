/// The kind of value that a key takes.
indirect enum Shape: Sendable {
  case string, bool, int, object
  case address, prefix, mac
  /// A prefix, or a word that lets the plugin choose.
  case subnet
  /// One of these words.
  case word([String])
  case list(Shape)
  case members([Key])
  /// An object with these members and others; only the plugin checks them.
  case open([Key])
  /// One of several kinds; only the plugin checks it.
  case either([Shape])
  /// `false` alone.
  case off
}

/// One key of a configuration: what `cnictl validate`, the JSON Schema and docs/plugins.md say of it.
struct Key: Sendable {
  var name: String
  var shape: Shape
  /// The numbers that the plugin takes; `nil`: the kernel decides.
  var range: ClosedRange<Int>?
  /// Whether 0 means absent although it is outside the range.
  var isZeroAbsent: Bool
  /// What applies without the key, in Markdown.
  var fallback: String
  /// The capability with which the runtime fills this key in.
  var capability: String?
  /// One line of Markdown.
  var meaning: String

  static let required = "required"

  init(
    _ name: String, _ shape: Shape, in range: ClosedRange<Int>? = nil, orZero isZeroAbsent: Bool = false,
    default fallback: String = "none", capability: String? = nil, _ meaning: String
  ) {
    self.name = name
    self.shape = shape
    self.range = range
    self.isZeroAbsent = isZeroAbsent
    self.fallback = fallback
    self.capability = capability
    self.meaning = meaning
  }

  var isRequired: Bool { fallback == Key.required }

  /// The meaning, with the capability.
  var description: String { capability.map { "\(meaning) Capability: `\($0)`." } ?? meaning }

  /// The keys of the object, or of each object of the list; `nil` for other values.
  var members: [Key]? { shape.members }

  /// The same key with another meaning or fallback.
  func with(default fallback: String? = nil, _ meaning: String? = nil) -> Key {
    var key = self
    key.fallback = fallback ?? key.fallback
    key.meaning = meaning ?? key.meaning
    return key
  }
}

extension Shape {
  var members: [Key]? {
    switch self {
    case .members(let keys), .open(let keys): keys
    case .list(let element): element.members
    case .either(let shapes): shapes.lazy.compactMap(\.members).first
    default: nil
    }
  }
}
