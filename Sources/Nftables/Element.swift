import NetTypes
import PacketFilter

/// One of our two tables, `inet swift_cni` and `bridge swift_cni`.
enum Table: String, CaseIterable {
  case inet, bridge

  /// The name that commands use: `inet swift_cni`.
  var name: String { "\(rawValue) \(Table.bareName)" }

  static let bareName = "swift_cni"

  /// `NFPROTO_INET` or `NFPROTO_BRIDGE`; their header conflicts with Glibc's headers.
  var netfilterNumber: UInt8 { self == .inet ? 1 : 7 }

  /// The chain that all our elements in that table lead to directly or indirectly; without users, the table is removed.
  var anchor: String { self == .inet ? "anchor" : "check" }
}

/// A set or map, and the types of its key and value.
struct SetSpec: Equatable {
  var part: Layout.Part
  var name: String
  var key: [Field.Kind]
  var value: Value
  /// Whether its keys are intervals, which do not overlap.
  var isInterval = false

  init(_ part: Layout.Part, _ name: String, key: [Field.Kind], value: Value = .none) {
    self.part = part
    self.name = name
    self.key = key
    self.value = value
  }

  var table: Table { part.table }

  enum Value: Equatable {
    /// A set.
    case none
    case verdict
    case fields([Field.Kind])
  }

  /// The name that commands use: `inet swift_cni ports4`.
  var qualifiedName: String { "\(table.name) \(name)" }

  /// `set` or `map`, as commands name it.
  var kind: String { value == .none ? "set" : "map" }

  /// `add map inet swift_cni ports4 { type inet_proto . inet_service : ipv4_addr . inet_service ; }`.
  var declaration: String {
    let key = key.map { $0.rawValue }.joined(separator: " . ")
    return switch value {
    case .none: "add set \(qualifiedName) { type \(key) ; \(isInterval ? "flags interval ; " : "")}"
    case .verdict: "add map \(qualifiedName) { type \(key) : verdict ; }"
    case .fields(let kinds):
      "add map \(qualifiedName) { type \(key) : \(kinds.map { $0.rawValue }.joined(separator: " . ")) ; }"
    }
  }
}

extension SetSpec {
  /// Changes that delete the set, whether it exists or not: a chain of an earlier version may have fewer sets.
  var removal: [RulesetChange] { [.addSet(self), .deleteSet(self)] }
}

/// One element of a set or map.
struct Element: Equatable {
  var set: SetSpec
  var key: [Field]
  var value: Value
  /// The element's owner: `OWNERTAG PART`, or the name of the shared chain that it leads to.
  var comment: String

  enum Value: Equatable {
    case none
    case jump(String)
    case fields([Field])
  }

  /// Identifies the element among those of all sets.
  var setAndKey: [UInt8] { Array(set.qualifiedName.utf8) + [0] + key.bytes }

  /// The element in nft's syntax.
  var text: String {
    let start = "\(key.text) comment \"\(comment)\""
    return switch value {
    case .none: start
    case .jump(let chain): "\(start) : jump \(chain)"
    case .fields(let fields): "\(start) : \(fields.text)"
    }
  }
}

/// The owner that an element's comment names: the attachment's tag and the plugin's role.
struct ElementOwner: Equatable {
  var tag: String
  var role: PluginRole

  var comment: String { "\(tag) \(role.rawValue)" }

  init(_ tag: String, _ role: PluginRole) {
    self.tag = tag
    self.role = role
  }

  /// `nil` if the comment names no attachment.
  init?(comment: String) {
    let words = comment.split(separator: " ")
    guard words.count == 2, let role = PluginRole(rawValue: String(words[1])) else { return nil }
    self.init(String(words[0]), role)
  }
}

/// A chain that elements of several owners lead to; the kernel's use count shows whether an owner is left.
struct SharedChain: Equatable {
  var name: String
  var rules: [NftRule]
  /// Further chains, with rules, that are created and deleted together with this chain.
  var companions: [Companion] = []
  /// Sets that exist as long as the chain.
  var sets: [SetSpec] = []
  /// Elements that lead packets into the chain, beside those of the owners; their comment is the chain's name.
  var entryElements: [Element] = []

  struct Companion: Equatable {
    var name: String
    var rules: [NftRule]
  }

  /// The kernel's use count if no owner is left: the chain's rules and the entry elements that lead to it.
  var idleUses: Int { rules.count + entryElements.count { $0.value == .jump(name) } }

  /// Changes that create the chain, or replace its rules if it exists.
  var declaration: [RulesetChange] {
    let chains = companions + [Companion(name: name, rules: rules)]
    return sets.map { .addSet($0) }
      + chains.flatMap { chain in
        [.addChain(.inet, chain.name), .flushChain(.inet, chain.name)]
          + chain.rules.map { .addRule(.inet, chain.name, $0) }
      } + entryElements.map { .addElement($0) }
  }

  /// Changes that fail if an owner still needs the chain.
  var deletion: [RulesetChange] {
    entryElements.map { .deleteElement($0) } + ([name] + companions.map { $0.name }).map { .deleteChain(.inet, $0) }
      + sets.flatMap { $0.removal }
  }
}
