import Kernel
import Linux
import NetTypes
import PacketFilter

extension Table {
  /// Adds the piece if it is missing.
  ///
  /// - Parameters:
  ///   - piece: the piece that must be present.
  ///   - mark: the comment of the owner's rules.
  /// - Throws: EEXIST if another owner wants other rules in the same chain, ENOENT if another program's chain is missing.
  mutating func make(_ piece: Piece, mark: String) throws(KernelError) {
    switch piece {
    case .chain(let chain): try makeChain(chain)
    case .filled(let filled): try fill(filled, mark)
    case .shared(let rule, let chain, let place):
      if index(of: rule, in: chain) == nil { try add(rule, to: chain, place) }
    case .owned(let rule, let chain, let place): try add(rule, to: chain, place)
    case .foreign(let foreign): try make(foreign)
    case .existing(let chain):
      guard has(chain) else {
        throw KernelError(
          "jump to chain \(chain) in \(name)", errno: .ENOENT, reason: "no such chain; want one that sets a mark")
      }
    }
  }

  /// The index of an equivalent rule.
  func index(of rule: TableRule, in chain: String) -> Int? {
    let (key, target) = (rule.key, rule.target.name)
    return firstIndex(in: chain) { $0.target == target && $0.key == key }
  }

  private mutating func makeChain(_ chain: String) throws(KernelError) {
    if !has(chain) { try create(chain) }
  }

  private mutating func add(_ rule: TableRule, to chain: String, _ place: Piece.Place) throws(KernelError) {
    switch place {
    case .first: try insert(rule.bytes, at: 0, in: chain)
    case .last: try append(rule.bytes, to: chain)
    case .after(let other):
      let index = firstIndex(in: chain) { $0.target == other }
      try insert(rule.bytes, at: index.map { $0 + 1 } ?? 0, in: chain)
    case .before(let other):
      if let index = firstIndex(in: chain, where: { $0.target == other }) {
        try insert(rule.bytes, at: index, in: chain)
      } else {
        try append(rule.bytes, to: chain)
      }
    }
  }

  private mutating func fill(_ filled: Piece.Filled, _ mark: String) throws(KernelError) {
    let chain = filled.chain
    try makeChain(chain)
    let there = rules(in: chain)
    if there.map(\.key) == filled.rules.map(\.key) { return }
    let other = rules(in: Layout.owners).first { $0.target == chain && $0.comment != mark }
    if let subject = filled.subject, let other, !there.isEmpty {
      throw KernelError(
        subject, errno: .EEXIST, reason: "\(other.comment ?? "another") has it differently; want the same for all")
    }
    try empty(chain)
    for rule in filled.rules { try append(rule.bytes, to: chain) }
  }

  private mutating func make(_ foreign: Piece.Foreign) throws(KernelError) {
    let keys = [foreign.made.key, foreign.found.key]
    let jump = firstIndex(in: foreign.from) { $0.target == foreign.chain && keys.contains($0.key) }
    guard jump == nil else { return }
    let isThere = has(foreign.chain)
    if !isThere { try create(foreign.chain) }
    try add(isThere ? foreign.found : foreign.made, to: foreign.from, foreign.place)
  }

  /// Deletes all rules of the chain.
  mutating func empty(_ chain: String) throws(KernelError) { try delete(from: chain) { _ in true } }

  /// Deletes the rules of the chain for which `isUnwanted` is true.
  mutating func delete(from chain: String, where isUnwanted: (PresentRule) -> Bool) throws(KernelError) {
    var unwanted: [(Int, PresentRule)] = []
    var index = 0
    _ = firstIndex(in: chain) {
      if isUnwanted($0) { unwanted.append((index, $0)) }
      index += 1
      return false
    }
    for (index, rule) in unwanted.reversed() { try delete(rule, at: index, in: chain) }
  }
}
