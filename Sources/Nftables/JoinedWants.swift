import NetTypes

/// Joins what several rules need; equal elements and chains are kept once.
struct JoinedWants {
  private(set) var wanted = Wanted()
  /// The index in `wanted` of the element with that set and key.
  private var elements: [String: Int] = [:]
  private var chains: [String: [SharedChain]] = [:]
  private var spares: [String: [SpareRule]] = [:]

  /// - Throws: EINVAL if two rules want different values for the same key.
  mutating func add(_ other: Wanted) throws(KernelError) {
    for element in other.elements { try add(element) }
    for chain in other.chains where chains[chain.name]?.contains(chain) != true {
      chains[chain.name, default: []].append(chain)
      wanted.chains.append(chain)
    }
    for spare in other.spares where spares[spare.chain]?.contains(spare) != true {
      spares[spare.chain, default: []].append(spare)
      wanted.spares.append(spare)
    }
  }

  private mutating func add(_ element: Element) throws(KernelError) {
    let place = element.deletion
    guard let known = elements[place] else {
      elements[place] = wanted.elements.count
      wanted.elements.append(element)
      return
    }
    guard wanted.elements[known] == element else {
      throw KernelError(
        "add \(element.key.text) to \(element.set.name)", errno: .EINVAL,
        reason: "two rules of one container want different things")
    }
  }
}
