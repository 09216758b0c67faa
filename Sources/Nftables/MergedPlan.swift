import NetTypes

/// Joins what several rules need; equal elements and chains are kept once.
struct MergedPlan {
  private(set) var plan = NftablesPlan()
  /// The index in `plan` of the element with that set and key.
  private var elements: [[UInt8]: Int] = [:]
  private var chains: [String: [SharedChain]] = [:]
  private var spares: [String: [SpareRule]] = [:]

  /// - Throws: EINVAL if two rules want different values for the same key.
  mutating func add(_ other: NftablesPlan) throws(KernelError) {
    for element in other.elements { try add(element) }
    for chain in other.chains where chains[chain.name]?.contains(chain) != true {
      chains[chain.name, default: []].append(chain)
      plan.chains.append(chain)
    }
    for spare in other.spares where spares[spare.chain]?.contains(spare) != true {
      spares[spare.chain, default: []].append(spare)
      plan.spares.append(spare)
    }
  }

  private mutating func add(_ element: Element) throws(KernelError) {
    let setAndKey = element.setAndKey
    guard let index = elements[setAndKey] else {
      elements[setAndKey] = plan.elements.count
      plan.elements.append(element)
      return
    }
    guard plan.elements[index] == element else {
      throw KernelError(
        "add \(element.key.text) to \(element.set.name)", errno: .EINVAL,
        reason: "two rules of one container need different values for this key")
    }
  }
}
