import NetTypes
import PacketFilter

/// One of the two tables.
enum Table: String, CaseIterable {
  case inet, bridge

  /// As commands name it.
  var name: String { "\(rawValue) \(Table.bareName)" }

  static let bareName = "swift_cni"

  /// The chain that everything of ours in that table leads to in the end; without users, the table goes.
  var anchor: String { self == .inet ? "anchor" : "check" }
}

/// A set or map and what it holds.
struct SetSpec: Equatable {
  var table: Table = .inet
  var name: String
  var key: [Field.Kind]
  var value: Value = .none

  enum Value: Equatable {
    /// A set.
    case none
    case verdict
    case fields([Field.Kind])
  }

  /// `map inet swift_cni ports4`.
  var place: String { "\(table.name) \(name)" }

  /// `add map inet swift_cni ports4 { type inet_proto . inet_service : ipv4_addr . inet_service ; }`.
  var declaration: String {
    let key = key.map(\.rawValue).joined(separator: " . ")
    return switch value {
    case .none: "add set \(place) { type \(key) ; }"
    case .verdict: "add map \(place) { type \(key) : verdict ; }"
    case .fields(let kinds):
      "add map \(place) { type \(key) : \(kinds.map(\.rawValue).joined(separator: " . ")) ; }"
    }
  }
}

/// One element of a set or map.
struct Element: Equatable {
  var set: SetSpec
  var key: [Field]
  var value: Value
  /// Whose it is: `OWNERTAG PART`, or the name of the shared chain that it leads to.
  var comment: String

  enum Value: Equatable {
    case none
    case jump(String)
    case fields([Field])
  }

  /// Fails where there is one with that key.
  var creation: String { "create element \(set.place) { \(text) }" }
  /// Fails where there is another one with that key.
  var addition: String { "add element \(set.place) { \(text) }" }
  /// Fails where there is none.
  var deletion: String { "delete element \(set.place) { \(key.text) }" }

  private var text: String {
    let start = "\(key.text) comment \"\(comment)\""
    return switch value {
    case .none: start
    case .jump(let chain): "\(start) : jump \(chain)"
    case .fields(let fields): "\(start) : \(fields.text)"
    }
  }
}

/// What an element's comment says of whose it is: an owner's tag and the plugin's part.
struct ElementOwner: Equatable {
  var tag: String
  var part: Part

  var comment: String { "\(tag) \(part.rawValue)" }

  init(_ tag: String, _ part: Part) {
    self.tag = tag
    self.part = part
  }

  /// `nil` where nobody's attachment is named.
  init?(comment: String) {
    let words = comment.split(separator: " ")
    guard words.count == 2, let part = Part(rawValue: String(words[1])) else { return nil }
    self.init(String(words[0]), part)
  }
}

/// A chain that elements of several owners lead to; the kernel counts them, so that the last one can be told.
struct SharedChain: Equatable {
  var name: String
  var rules: [String]
  /// Further chains that come and go with it, and their rules.
  var companions: [Companion] = []
  /// What leads packets there beside the owners' elements; each has the chain's name as its comment.
  var keepers: [Element] = []

  struct Companion: Equatable {
    var name: String
    var rules: [String]
  }

  /// How the kernel counts it when no owner is left: its rules, and what leads there.
  var idleUses: Int { rules.count + keepers.count { $0.value == .jump(name) } }

  /// Makes it so, whatever was there.
  var declaration: [String] {
    let chains = companions + [Companion(name: name, rules: rules)]
    return chains.flatMap { chain in
      ["add chain \(Table.inet.name) \(chain.name)", "flush chain \(Table.inet.name) \(chain.name)"]
        + chain.rules.map { "add rule \(Table.inet.name) \(chain.name) \($0)" }
    } + keepers.map(\.addition)
  }

  /// Fails where somebody still needs it.
  var deletion: [String] {
    keepers.map(\.deletion) + ([name] + companions.map(\.name)).map { "delete chain \(Table.inet.name) \($0)" }
  }
}
