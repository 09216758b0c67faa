public import CNI
import Linux
import NetTypes

/// The lock for connecting, disconnecting, collecting garbage and removing a network.
///
/// All networks share one lock file. A hash assigns each network a range of bytes in it, and each attachment one byte.
public struct NetworkLock: ~Copyable {
  private let ranges: RangeLock

  /// Waits for other calls about this attachment, or about all of its network.
  ///
  /// - Throws: code 11 if that takes more than `seconds`.
  public init(_ owner: AttachmentID, seconds: Int = 60) throws(CNIError) {
    let byte = Self.range(owner.network).lowerBound + Self.hash("\(owner.container)\0\(owner.interface)")
    ranges = try Self.lock([byte..<byte + 1], seconds, "network \(owner.network)")
  }

  /// Waits for all other calls about these networks.
  ///
  /// - Throws: code 11 if that takes more than `seconds`.
  public init(_ networks: [NetworkName], seconds: Int = 30) throws(CNIError) {
    // Always in the same order, so that two calls never wait for each other.
    let ranges = Set(networks.map(Self.range)).sorted { $0.lowerBound < $1.lowerBound }
    self.ranges = try Self.lock(
      ranges, seconds, "networks \(networks.map(\.description).joined(separator: ", "))")
  }

  private static let size: Int64 = 1 << 31

  private static func range(_ network: NetworkName) -> Range<Int64> {
    let start = hash(network.description) * size
    return start..<start + size
  }

  /// 31 bits.
  private static func hash(_ text: String) -> Int64 {
    AttachmentID.shortHash(text).utf8.reduce(0) { ($0 &* 33 &+ Int64($1)) & (size - 1) }
  }

  private static func lock(_ ranges: [Range<Int64>], _ seconds: Int, _ what: String) throws(CNIError) -> RangeLock {
    do throws(KernelError) {
      try Files.makeDirectories(StatePaths.run, mode: 0o700)
      let file = try Descriptor.open(StatePaths.networksLock, for: .updating)
      return try RangeLock(file, ranges, seconds: seconds, doing: "wait for other calls of cnictl")
    } catch { throw CNIError(.tryAgainLater, "\(what): \(error)") }
  }
}
