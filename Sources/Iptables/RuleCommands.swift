import Kernel
import NetTypes
import PacketFilter

/// Writes what a plan would change in one table as lines of the `iptables` command, as `Table.make` would change it.
///
/// What attachments share is made only if it is missing when the lines run: those of an earlier plugin of the chain may
/// have made it.
struct RuleCommands: ~Copyable {
  /// `iptables -w -t nat`.
  private let command: String
  private let table: Table?
  /// The chains that the lines so far change: the targets of their rules.
  private var targets: [String: [String]] = [:]
  private(set) var lines: [String] = []

  /// - Parameters:
  ///   - name: the table.
  ///   - variant: which of the two kinds of tables, if it is not the one that `iptables` shows.
  ///   - table: the table as it is; `nil` if there is none yet.
  init(_ name: TableName, _ variant: Variant?, _ table: consuming Table?) {
    let suffix = variant.map { $0 == .legacy ? "-legacy" : "-nft" } ?? ""
    command = "ip\(name.family == .v4 ? "" : "6")tables\(suffix) -w -t \(name.kind.rawValue)"
    self.table = table
  }

  mutating func make(_ item: PlanItem) {
    switch item {
    case .chain(let chain): makeChain(chain)
    case .filled(let filled): fill(filled)
    case .shared(let rule, let chain, let position): share(rule, in: chain, position)
    case .owned(let rule, let chain, let position): add(rule, to: chain, position)
    case .foreign(let foreign): make(foreign)
    case .existing: break
    }
  }

  private func exists(_ chain: String) -> Bool {
    if targets[chain] != nil { return true }
    guard let isInTable = table?.has(chain) else { return false }
    return isInTable
  }

  private func has(_ rule: TableRule, in chain: String) -> Bool {
    table?.index(of: rule, in: chain) != nil
  }

  /// The targets of a chain's rules, as they are after the lines so far.
  private func targets(in chain: String) -> [String] {
    if let changed = targets[chain] { return changed }
    guard let rules = table?.rules(in: chain) else { return [] }
    return rules.map { $0.target }
  }

  private mutating func makeChain(_ chain: String) {
    guard !exists(chain) else { return }
    lines.append("\(command) -N \(chain.shellWord) 2>/dev/null || true")
    targets[chain] = []
  }

  private mutating func fill(_ filled: PlanItem.FilledChain) {
    if let existing = table?.rules(in: filled.chain), existing.map({ $0.key }) == filled.rules.map({ $0.key }) {
      return
    }
    makeChain(filled.chain)
    lines.append("\(command) -F \(filled.chain.shellWord)")
    targets[filled.chain] = []
    for rule in filled.rules { add(rule, to: filled.chain, .last) }
  }

  private mutating func make(_ foreign: PlanItem.ForeignChain) {
    guard !has(foreign.jumpToCreated, in: foreign.from), !has(foreign.jumpToExisting, in: foreign.from) else { return }
    let existed = exists(foreign.chain)
    makeChain(foreign.chain)
    share(existed ? foreign.jumpToExisting : foreign.jumpToCreated, in: foreign.from, foreign.position)
  }

  private mutating func share(_ rule: TableRule, in chain: String, _ position: PlanItem.Position) {
    guard !has(rule, in: chain) else { return }
    add(rule, to: chain, position)
    guard let line = lines.popLast() else { return }
    lines.append("\(command) -C \(chain.shellWord) \(rule.arguments) 2>/dev/null || \(line)")
  }

  private mutating func add(_ rule: TableRule, to chain: String, _ position: PlanItem.Position) {
    var existing = targets(in: chain)
    let index: Int? =
      switch position {
      case .first: 0
      case .last: nil
      case .after(let other): existing.firstIndex(of: other).map { $0 + 1 } ?? 0
      case .before(let other): existing.firstIndex(of: other)
      }
    let action = index.map { "-I \(chain.shellWord)\($0 == 0 ? "" : " \($0 + 1)")" } ?? "-A \(chain.shellWord)"
    lines.append("\(command) \(action) \(rule.arguments)")
    existing.insert(rule.target.name, at: index ?? existing.count)
    targets[chain] = existing
  }
}

extension TableRule {
  /// As the `iptables` command takes it.
  var arguments: String {
    let own = [
      transport.map { "-p \($0)" }, source.map { $0.option("-s", "\($0.value)") },
      destination.map { $0.option("-d", "\($0.value)") }, inDevice.map { $0.option("-i", $0.value.pattern) },
      outDevice.map { $0.option("-o", $0.value.pattern) },
    ].compactMap { $0 }
    return (own + matches.map { $0.arguments } + [target.arguments]).joined(separator: " ")
  }
}

extension Device {
  /// `isPrefix` devices have the `+` in their name.
  fileprivate var pattern: String { name.description.shellWord }
}

extension Test {
  fileprivate func option(_ name: String, _ text: String) -> String { "\(isNegated ? "! " : "")\(name) \(text)" }
}

extension Match {
  fileprivate var arguments: String {
    switch self {
    case .port(let transport, let port): "-m \(transport) --dport \(port)"
    case .comment(let text): "-m comment --comment \(text.shellWord)"
    case .states(let test): "-m conntrack \(test.option("--ctstate", test.value.text))"
    case .addressType(let source, let destination):
      "-m addrtype"
        + (source.map { " " + $0.option("--src-type", $0.value.text) } ?? "")
        + (destination.map { " " + $0.option("--dst-type", $0.value.text) } ?? "")
    case .mark(let test): "-m mark \(test.option("--mark", test.value.text))"
    case .groups(let source, let destination):
      "-m devgroup"
        + (source.map { " " + $0.option("--src-group", $0.value.text) } ?? "")
        + (destination.map { " " + $0.option("--dst-group", $0.value.text) } ?? "")
    case .ranges(let source, let destination):
      "-m iprange"
        + (source.map { " " + $0.option("--src-range", "\($0.value.lowerBound)-\($0.value.upperBound)") } ?? "")
        + (destination.map { " " + $0.option("--dst-range", "\($0.value.lowerBound)-\($0.value.upperBound)") } ?? "")
    }
  }
}

extension Target {
  fileprivate var arguments: String {
    switch self {
    case .accept: "-j ACCEPT"
    case .drop: "-j DROP"
    case .returnToCaller: "-j RETURN"
    case .jump(let chain): "-j \(chain.shellWord)"
    case .destination(let address, let port):
      "-j DNAT --to-destination \((port.map { address.withPort($0) } ?? "\(address)").shellWord)"
    case .source(let address): "-j SNAT --to-source \(address)"
    case .masquerade(let isRandom): "-j MASQUERADE\(isRandom ? " --random-fully" : "")"
    case .mark(let bits): "-j MARK --set-xmark \(bits.text)"
    }
  }
}

extension Masked {
  fileprivate var text: String { "0x\(String(value, radix: 16))/0x\(String(mask, radix: 16))" }
}

extension ConnectionStates {
  fileprivate var text: String {
    Self.byName.filter { contains($0.value) }.map { $0.key }.sorted().joined(separator: ",")
  }
}

extension AddressTypes {
  fileprivate var text: String {
    Self.byName.filter { contains($0.value) }.map { $0.key }.sorted().joined(separator: ",")
  }
}
