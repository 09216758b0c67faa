/// The type of an attribute, named as in `linux/netfilter/nf_tables.h`; numbers are unique within one message or nest only.
public struct NftAttribute: Hashable, Sendable {
  public let number: UInt16

  public init(_ number: UInt16) { self.number = number }

  /// `NFTA_LIST_ELEM`.
  public static let listElement = NftAttribute(1)
  /// `NFNL_BATCH_GENID`.
  public static let batchGeneration = NftAttribute(1)
  /// `NFTA_GEN_ID`.
  public static let generation = NftAttribute(1)
}

// NFTA_TABLE_*, NFTA_CHAIN_*, NFTA_HOOK_*
extension NftAttribute {
  public static let tableName = NftAttribute(1)
  public static let tableFlags = NftAttribute(2)
  public static let tableUse = NftAttribute(3)
  public static let tableUserData = NftAttribute(6)

  public static let chainTable = NftAttribute(1)
  public static let chainName = NftAttribute(3)
  public static let chainHook = NftAttribute(4)
  public static let chainPolicy = NftAttribute(5)
  public static let chainUse = NftAttribute(6)
  public static let chainType = NftAttribute(7)
  public static let chainUserData = NftAttribute(12)

  public static let hookNumber = NftAttribute(1)
  public static let hookPriority = NftAttribute(2)
}

// NFTA_RULE_*, NFTA_RULE_COMPAT_*
extension NftAttribute {
  public static let ruleTable = NftAttribute(1)
  public static let ruleChain = NftAttribute(2)
  public static let ruleHandle = NftAttribute(3)
  public static let ruleExpressions = NftAttribute(4)
  public static let ruleCompat = NftAttribute(5)
  public static let rulePosition = NftAttribute(6)
  public static let ruleUserData = NftAttribute(7)
  public static let ruleID = NftAttribute(9)
  public static let rulePositionID = NftAttribute(10)

  public static let compatProtocol = NftAttribute(1)
  public static let compatFlags = NftAttribute(2)
}

// NFTA_SET_*, NFTA_SET_DESC_*, NFTA_SET_ELEM_LIST_*, NFTA_SET_ELEM_*
extension NftAttribute {
  public static let setTable = NftAttribute(1)
  public static let setName = NftAttribute(2)
  public static let setFlags = NftAttribute(3)
  public static let setKeyType = NftAttribute(4)
  public static let setKeyLength = NftAttribute(5)
  public static let setDataType = NftAttribute(6)
  public static let setDataLength = NftAttribute(7)
  public static let setDescription = NftAttribute(9)
  public static let setID = NftAttribute(10)
  public static let setUserData = NftAttribute(13)

  public static let descriptionSize = NftAttribute(1)
  public static let descriptionFields = NftAttribute(2)
  public static let fieldLength = NftAttribute(1)

  public static let elementsTable = NftAttribute(1)
  public static let elementsSet = NftAttribute(2)
  public static let elements = NftAttribute(3)
  public static let elementsSetID = NftAttribute(4)

  public static let elementKey = NftAttribute(1)
  public static let elementData = NftAttribute(2)
  public static let elementFlags = NftAttribute(3)
  public static let elementUserData = NftAttribute(6)
  public static let elementKeyEnd = NftAttribute(10)
}

// NFTA_DATA_*, NFTA_VERDICT_*, NFTA_EXPR_*
extension NftAttribute {
  public static let value = NftAttribute(1)
  public static let verdict = NftAttribute(2)

  public static let verdictCode = NftAttribute(1)
  public static let verdictChain = NftAttribute(2)

  public static let expressionName = NftAttribute(1)
  public static let expressionData = NftAttribute(2)
}

// The attributes of each expression: NFTA_META_*, NFTA_PAYLOAD_*, …
extension NftAttribute {
  public static let metaTarget = NftAttribute(1)
  public static let metaKey = NftAttribute(2)
  public static let metaSource = NftAttribute(3)

  public static let payloadTarget = NftAttribute(1)
  public static let payloadBase = NftAttribute(2)
  public static let payloadOffset = NftAttribute(3)
  public static let payloadLength = NftAttribute(4)

  public static let bitwiseSource = NftAttribute(1)
  public static let bitwiseTarget = NftAttribute(2)
  public static let bitwiseLength = NftAttribute(3)
  public static let bitwiseMask = NftAttribute(4)
  public static let bitwiseXor = NftAttribute(5)
  public static let bitwiseOperation = NftAttribute(6)

  public static let byteOrderSource = NftAttribute(1)
  public static let byteOrderTarget = NftAttribute(2)
  public static let byteOrderOperation = NftAttribute(3)
  public static let byteOrderLength = NftAttribute(4)
  public static let byteOrderSize = NftAttribute(5)

  public static let compareSource = NftAttribute(1)
  public static let compareOperation = NftAttribute(2)
  public static let compareData = NftAttribute(3)

  public static let immediateTarget = NftAttribute(1)
  public static let immediateData = NftAttribute(2)

  public static let lookupSet = NftAttribute(1)
  public static let lookupSource = NftAttribute(2)
  public static let lookupTarget = NftAttribute(3)
  public static let lookupSetID = NftAttribute(4)
  public static let lookupFlags = NftAttribute(5)

  public static let numberTarget = NftAttribute(1)
  public static let numberModulus = NftAttribute(2)
  public static let numberType = NftAttribute(3)
  public static let numberOffset = NftAttribute(4)

  public static let hashSource = NftAttribute(1)
  public static let hashTarget = NftAttribute(2)
  public static let hashLength = NftAttribute(3)
  public static let hashModulus = NftAttribute(4)
  public static let hashSeed = NftAttribute(5)
  public static let hashOffset = NftAttribute(6)
  public static let hashType = NftAttribute(7)

  public static let fibTarget = NftAttribute(1)
  public static let fibResult = NftAttribute(2)
  public static let fibFlags = NftAttribute(3)

  public static let connectionTarget = NftAttribute(1)
  public static let connectionKey = NftAttribute(2)
  public static let connectionDirection = NftAttribute(3)

  public static let natType = NftAttribute(1)
  public static let natFamily = NftAttribute(2)
  public static let natAddress = NftAttribute(3)
  public static let natPort = NftAttribute(5)
  public static let natFlags = NftAttribute(7)

  public static let masqueradeFlags = NftAttribute(1)

  public static let counterBytes = NftAttribute(1)
  public static let counterPackets = NftAttribute(2)

  public static let logGroup = NftAttribute(1)

  public static let extensionName = NftAttribute(1)
  public static let extensionRevision = NftAttribute(2)
  public static let extensionInfo = NftAttribute(3)
}
