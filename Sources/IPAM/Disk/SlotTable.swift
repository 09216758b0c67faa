import NetTypes

/// A hash table of equal slots with linear probing; a slot whose first word is 0 is empty.
struct SlotTable {
  /// The offset of the first slot, in bytes.
  var base: Int
  /// The number of slots: a power of two.
  var capacity: Int
  /// The number of 64-bit words in a slot.
  var slotWords: Int

  struct Slot {
    var position: Int
    var words: [UInt64]
  }

  var byteCount: Int { capacity * slotWords * 8 }

  /// The slots from the home of `hash` to the first empty slot, and the position of that one.
  func cluster(of hash: UInt64, in bytes: borrowing IndexBytes) throws(KernelError) -> (slots: [Slot], end: Int) {
    var slots: [Slot] = []
    var position = home(hash)
    while slots.count < capacity {
      let count = min(8, capacity - position)
      let words = try bytes.words(at: offset(position), count: count * slotWords)
      for start in stride(from: 0, to: words.count, by: slotWords) {
        guard words[start] != 0 else { return (slots, position) }
        slots.append(Slot(position: position, words: Array(words[start..<(start + slotWords)])))
        position += 1
      }
      position &= capacity - 1
    }
    throw KernelError("read index", errno: .none, reason: "a table has no empty slot")
  }

  func write(_ words: [UInt64], at position: Int, in bytes: inout IndexBytes) throws(KernelError) {
    try bytes.write(words, at: offset(position))
  }

  /// Empties a slot and moves later slots forward, so that each can still be found from its home.
  ///
  /// `index` is the slot's index in `slots`, a whole cluster; `hash` returns the hash of a slot.
  func remove(
    _ index: Int, of slots: [Slot], in bytes: inout IndexBytes, hash: ([UInt64]) -> UInt64
  ) throws(KernelError) {
    var hole = slots[index].position
    for slot in slots[(index + 1)...] {
      let isReachable = distance(home(hash(slot.words)), slot.position) >= distance(hole, slot.position)
      guard isReachable else { continue }
      try write(slot.words, at: hole, in: &bytes)
      hole = slot.position
    }
    try write([UInt64](repeating: 0, count: slotWords), at: hole, in: &bytes)
  }

  /// Every slot that is not empty.
  func all(in bytes: borrowing IndexBytes) throws(KernelError) -> [[UInt64]] {
    let words = try bytes.words(at: base, count: capacity * slotWords)
    return stride(from: 0, to: words.count, by: slotWords).compactMap { start in
      words[start] == 0 ? nil : Array(words[start..<(start + slotWords)])
    }
  }

  private func home(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (capacity - 1) }
  private func distance(_ from: Int, _ to: Int) -> Int { (to - from) & (capacity - 1) }
  private func offset(_ position: Int) -> Int { base + position * slotWords * 8 }
}
