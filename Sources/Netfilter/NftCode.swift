public import NetTypes

/// Numbers of `linux/netfilter/nf_tables.h` and of the headers of a packet.
public enum NftCode {
  public static let verdictRegister: UInt32 = 0
  /// The first register of 16 bytes.
  public static let register: UInt32 = 1

  /// The register at that byte: one of 16 bytes if it begins there, otherwise one of 4 bytes.
  public static func register(at byte: Int) -> UInt32 { UInt32(byte % 16 == 0 ? 1 + byte / 16 : 8 + byte / 4) }

  public static let linkHeader: UInt32 = 0
  public static let networkHeader: UInt32 = 1
  public static let transportHeader: UInt32 = 2

  // Keys of `meta`.
  public static let etherType: UInt32 = 1
  public static let mark: UInt32 = 3
  public static let inName: UInt32 = 6
  public static let outName: UInt32 = 7
  public static let family: UInt32 = 15
  public static let transport: UInt32 = 16
  public static let inGroup: UInt32 = 21
  public static let outGroup: UInt32 = 22

  // Verdicts.
  public static let drop: Int32 = 0
  public static let accept: Int32 = 1
  public static let jump: Int32 = -3
  public static let goto: Int32 = -4
  public static let returnToCaller: Int32 = -5

  public static func sourceOffset(_ family: IPFamily) -> UInt32 { family == .v4 ? 12 : 8 }
  public static func destinationOffset(_ family: IPFamily) -> UInt32 { family == .v4 ? 16 : 24 }
}
