/// Builds the expressions of a rule.
public struct NftExpressionList: Equatable, Sendable {
  public private(set) var attributes = NftAttributes()

  public init() {}

  /// Appends an expression with any attributes.
  public mutating func put(_ name: String, _ data: (inout NftAttributes) -> Void) {
    attributes.nest(.listElement) {
      $0.put(.expressionName, name)
      $0.nest(.expressionData, data)
    }
  }

  public mutating func load(meta key: UInt32, into register: UInt32 = NftCode.register) {
    put("meta") {
      $0.put(.metaKey, key)
      $0.put(.metaTarget, register)
    }
  }

  public mutating func load(
    header: UInt32, at offset: UInt32, count: Int, into register: UInt32 = NftCode.register
  ) {
    put("payload") {
      $0.put(.payloadTarget, register)
      $0.put(.payloadBase, header)
      $0.put(.payloadOffset, offset)
      $0.put(.payloadLength, UInt32(count))
    }
  }

  /// Replaces the first register by `(register & mask) ^ xor`; without `xor`, by `register & mask`.
  public mutating func mask(_ mask: [UInt8], xor: [UInt8]? = nil) {
    put("bitwise") {
      $0.put(.bitwiseSource, NftCode.register)
      $0.put(.bitwiseTarget, NftCode.register)
      $0.put(.bitwiseLength, UInt32(mask.count))
      $0.nest(.bitwiseMask) { $0.put(.value, mask) }
      $0.nest(.bitwiseXor) { $0.put(.value, xor ?? [UInt8](repeating: 0, count: mask.count)) }
    }
  }

  /// `NFT_CMP_*`.
  public enum Comparison: UInt32, Sendable {
    case equal = 0
    case notEqual = 1
    case atMost = 3
    case atLeast = 5
  }

  /// Goes on only if the first register compares so with the value.
  public mutating func compare(_ value: [UInt8], _ comparison: Comparison = .equal) {
    put("cmp") {
      $0.put(.compareSource, NftCode.register)
      $0.put(.compareOperation, comparison.rawValue)
      $0.nest(.compareData) { $0.put(.value, value) }
    }
  }

  public mutating func load(_ value: [UInt8], into register: UInt32) {
    put("immediate") {
      $0.put(.immediateTarget, register)
      $0.nest(.immediateData) { $0.put(.value, value) }
    }
  }

  /// Ends the rule with a verdict; `chain` is the target of a jump.
  public mutating func decide(_ verdict: Int32, _ chain: String? = nil) {
    put("immediate") {
      $0.put(.immediateTarget, NftCode.verdictRegister)
      $0.nest(.immediateData) {
        $0.put(verdict: verdict, chain)
      }
    }
  }
}

extension NftAttributes {
  /// `NFTA_DATA_VERDICT`.
  public mutating func put(verdict: Int32, _ chain: String?) {
    nest(.verdict) {
      $0.put(.verdictCode, UInt32(bitPattern: verdict))
      if let chain { $0.put(.verdictChain, chain) }
    }
  }
}
