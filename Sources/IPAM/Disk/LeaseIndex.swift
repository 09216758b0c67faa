import Linux
import NetTypes

/// Finds a holder's addresses and free addresses without reading the directory.
///
/// Two hash tables: from the holder's hash to its address, and from the block number to the bitmap of its 512 addresses. A hash
/// is only a hint which lease file to read; the file decides.
struct LeaseIndex: ~Copyable {
  private static let magic: UInt64 = 0x3130_494E_4353_5753
  private static let headerSize = 128

  private var bytes: IndexBytes
  private var holders = SlotTable(base: headerSize, capacity: 0, slotWords: 4)
  private var blocks = SlotTable(base: headerSize, capacity: 0, slotWords: 11)
  private var holderCount = 0
  private var blockCount = 0

  /// The directory and its state that an index matches.
  struct Seal: Equatable {
    /// A hash of the boot ID: after a reboot the index is built again, since a crash can leave wrong data on a disk.
    var boot: UInt64
    var device: UInt64
    var inode: UInt64
    var seconds: UInt64
    var nanoseconds: UInt64

    init(_ status: FileStatus, boot: UInt64) {
      self.boot = boot
      device = UInt64(status.device)
      inode = UInt64(status.inode)
      seconds = UInt64(bitPattern: Int64(status.modified.seconds))
      nanoseconds = UInt64(status.modified.nanoseconds)
    }
    fileprivate init(_ words: ArraySlice<UInt64>) {
      let words = Array(words)
      (boot, device, inode, seconds, nanoseconds) = (words[0], words[1], words[2], words[3], words[4])
    }
    fileprivate var words: [UInt64] { [boot, device, inode, seconds, nanoseconds] }
  }

  /// - Parameter file: the file of the index; `nil`: the index stays in memory.
  init(file: consuming Descriptor?) { bytes = IndexBytes(file: file) }

  var isInFile: Bool { bytes.isInFile }

  /// Whether the file matches the directory's state.
  mutating func open(ifMatching seal: Seal) throws(KernelError) -> Bool {
    let size = try bytes.fileSize()
    guard size > Self.headerSize else { return false }
    let header = try bytes.words(at: 0, count: 10)
    let counts = header[6...].map { Int(truncatingIfNeeded: $0) }
    guard header[0] == Self.magic, Seal(header[1...5]) == seal, counts.allSatisfy((0..<1 << 32).contains) else {
      return false
    }
    layOut(holders: counts[0], blocks: counts[2])
    (holderCount, blockCount) = (counts[1], counts[3])
    return size == Self.headerSize + holders.byteCount + blocks.byteCount
  }

  /// Records that the index matches this state of the directory.
  mutating func close(with seal: Seal) throws(KernelError) {
    let counts = [holders.capacity, holderCount, blocks.capacity, blockCount].map { UInt64($0) }
    try bytes.write([Self.magic] + seal.words + counts, at: 0)
  }

  private mutating func layOut(holders holderCapacity: Int, blocks blockCapacity: Int) {
    holders.capacity = holderCapacity
    blocks.base = Self.headerSize + holders.byteCount
    blocks.capacity = blockCapacity
  }

  struct Entry {
    var holderHash: UInt64
    var address: IPAddress
  }

  /// Replaces the content by these leases.
  mutating func rebuild(from entries: [Entry]) throws(KernelError) {
    let blockKeys = Set(entries.map { BlockKey($0.address) })
    layOut(holders: Self.capacity(for: entries.count), blocks: Self.capacity(for: blockKeys.count))
    (holderCount, blockCount) = (0, 0)
    bytes.reset(count: Self.headerSize + holders.byteCount + blocks.byteCount)
    for entry in entries { try put(entry) }
    // If the disk is full, the index in memory serves this process.
    do throws(KernelError) { try bytes.writeToFile(headerSize: Self.headerSize) } catch {}
  }

  private static func capacity(for count: Int) -> Int {
    var capacity = 64
    while capacity < 2 * count { capacity *= 2 }
    return capacity
  }

  mutating func insert(_ entry: Entry) throws(KernelError) {
    if 4 * (holderCount + 1) > 3 * holders.capacity || 4 * (blockCount + 1) > 3 * blocks.capacity {
      let entries = try holders.all(in: bytes).map { Self.entry($0) }
      try rebuild(from: entries)
    }
    try put(entry)
  }

  private mutating func put(_ entry: Entry) throws(KernelError) {
    let hash = Self.nonzero(entry.holderHash)
    let (_, end) = try holders.cluster(of: hash, in: bytes)
    try holders.write(Self.slot(hash, entry.address), at: end, in: &bytes)
    holderCount += 1
    try setBit(entry.address, to: true)
  }

  mutating func remove(_ entry: Entry) throws(KernelError) {
    try setBit(entry.address, to: false)
    let hash = Self.nonzero(entry.holderHash)
    let (slots, _) = try holders.cluster(of: hash, in: bytes)
    guard let index = slots.firstIndex(where: { $0.words == Self.slot(hash, entry.address) }) else { return }
    try holders.remove(index, of: slots, in: &bytes) { $0[0] }
    holderCount -= 1
  }

  private mutating func setBit(_ address: IPAddress, to isLeased: Bool) throws(KernelError) {
    let key = BlockKey(address)
    let (slots, end) = try blocks.cluster(of: key.hash, in: bytes)
    let found = slots.first { Array($0.words[..<3]) == key.words }
    var block = found.map { AddressBlock(slot: $0.words) } ?? AddressBlock(key)
    block.set(address.blockBit, to: isLeased)
    try blocks.write(block.slot, at: found?.position ?? end, in: &bytes)
    if found == nil { blockCount += 1 }
  }

  /// The addresses that a holder with this hash may have.
  func addresses(holderHash: UInt64) throws(KernelError) -> [IPAddress] {
    let hash = Self.nonzero(holderHash)
    return try holders.cluster(of: hash, in: bytes).slots.filter { $0.words[0] == hash }.map {
      Self.entry($0.words).address
    }
  }

  func firstFree(in span: AddressSpan) throws(KernelError) -> IPAddress? {
    var key = BlockKey(span.first)
    while let bits = key.bits(of: span) {
      let block = try blocks.cluster(of: key.hash, in: bytes).slots.first { Array($0.words[..<3]) == key.words }
      let bit = block.map { AddressBlock(slot: $0.words).firstFree(in: bits) } ?? bits.lowerBound
      if let bit { return IPAddress(span.family, key.number << AddressBlock.bits | UInt128(bit)) }
      key.number += 1
    }
    return nil
  }

  func leasedCount(in spans: [AddressSpan]) throws(KernelError) -> UInt128 {
    var count = 0
    for words in try blocks.all(in: bytes) {
      let block = AddressBlock(slot: words)
      for span in spans { count += block.key.bits(of: span).map(block.count) ?? 0 }
    }
    return UInt128(count)
  }

  /// 0 marks an empty slot, so no hash may be 0.
  private static func nonzero(_ hash: UInt64) -> UInt64 { max(hash, 1) }

  private static func slot(_ hash: UInt64, _ address: IPAddress) -> [UInt64] {
    let value = address.value
    return [
      hash, address.family == .v4 ? 4 : 6, UInt64(truncatingIfNeeded: value >> 64), UInt64(truncatingIfNeeded: value),
    ]
  }

  private static func entry(_ words: [UInt64]) -> Entry {
    let value = UInt128(words[2]) << 64 | UInt128(words[3])
    let address = words[1] == 4 ? IPAddress(v4: UInt32(truncatingIfNeeded: value)) : IPAddress(v6: value)
    return Entry(holderHash: words[0], address: address)
  }
}

extension LeaseHolder {
  var hash: UInt64 { FNV1a(fileContent).mixed }
}
