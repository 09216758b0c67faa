public import CNI
import Linux
public import NetTypes

/// The leases of one network in the reference plugin's form: a directory with a file for each address.
///
/// Locked against other processes, the reference plugin too, as long as this value lives.
public struct LeaseDirectory: LeaseStore, ~Copyable {
  let path: String
  let sticky: StickyFiles
  private let directory: Descriptor
  private let lock: FileLock
  private let boot = FNV1a(LeaseLifetime.thisBoot ?? "").mixed
  private var index: LeaseIndex
  /// Whether the index is complete; false after a failure to build it.
  private var isIndexComplete = false

  /// Opens and locks the leases of `network`; waits at most `lockSeconds` for the lock.
  ///
  /// `createIfMissing` creates the directory if it is missing.
  ///
  /// - Returns: `nil` if there is no such directory and `createIfMissing` is false.
  /// - Throws: code 11 if another process keeps the lock, 106 for everything else.
  public static func open(
    dataDir: String, network: NetworkName, createIfMissing: Bool, indexDirectory: String = StatePaths.leaseIndex,
    lockSeconds: Int = 30
  ) throws(CNIError) -> LeaseDirectory? {
    let path = "\(dataDir)/\(network)"
    return try withStoreErrors { () throws(KernelError) in
      if try Files.status(path)?.isDirectory != true {
        guard createIfMissing else { return nil }
        try Files.makeDirectories(path)
        try Files.flushDirectory(of: path)
      }
      let lock = try FileLock(.openLock("\(path)/lock", mode: 0o750), seconds: lockSeconds, doing: "lock \(path)/lock")
      let directory = try Descriptor.open(path)
      let file = openIndex(of: try directory.status(), in: indexDirectory)
      var leases = LeaseDirectory(
        path: path, sticky: StickyFiles(directory: "\(dataDir)/.sticky/\(network)"), directory: directory, lock: lock,
        index: LeaseIndex(file: file))
      try leases.openOrRebuildIndex()
      return leases
    }
  }

  private init(
    path: String, sticky: StickyFiles, directory: consuming Descriptor, lock: consuming FileLock,
    index: consuming LeaseIndex
  ) {
    self.path = path
    self.sticky = sticky
    self.directory = directory
    self.lock = lock
    self.index = index
  }

  private static func openIndex(of directory: FileStatus, in indexDirectory: String) -> Descriptor? {
    // Without an index every call reads the whole directory, which is slow but correct.
    try? Files.makeDirectories(indexDirectory, mode: 0o700)
    return try? Descriptor.open(indexPath(of: directory, in: indexDirectory), for: .updating)
  }

  /// The index belongs to the directory's inode, so that two spellings of one path share it.
  static func indexPath(of directory: FileStatus, in indexDirectory: String) -> String {
    "\(indexDirectory)/\(directory.device.hexDigits)-\(directory.inode.hexDigits)"
  }

  /// Uses the index if it matches the directory's state; otherwise builds it again.
  private mutating func openOrRebuildIndex() throws(KernelError) {
    // An unreadable index is treated as a missing one.
    let fits = try? index.open(ifMatching: LeaseIndex.Seal(directory.status(), boot: boot))
    if fits == true { isIndexComplete = true } else { try rebuildIndex() }
  }

  private mutating func rebuildIndex() throws(KernelError) {
    isIndexComplete = false
    var entries: [LeaseIndex.Entry] = []
    for name in try Files.list(path) ?? [] {
      guard let address = leasedAddress(name) else { continue }
      switch try content(of: address) {
      case .missing, .incomplete: continue
      case .held(let holder): entries.append(LeaseIndex.Entry(holderHash: holder.hash, address: address))
      case .unknown: entries.append(LeaseIndex.Entry(holderHash: 0, address: address))
      }
    }
    try index.rebuild(from: entries)
    isIndexComplete = true
    seal()
  }

  /// Sets the directory's mtime to a random value that no other change gives it, and records it in the index.
  private mutating func seal() {
    guard index.isInFile, let before = try? directory.status().modified else { return }
    let sealTime = FileTime(seconds: before.seconds, nanoseconds: Int.random(in: 0..<1_000_000_000))
    // If this fails, directory and index differ, and the next process builds the index again.
    do throws(KernelError) {
      try directory.setModified(sealTime)
      let status = try directory.status()
      // With coarser timestamps another process's change at the same time would go unnoticed.
      guard status.modified == sealTime else { return }
      try index.close(with: LeaseIndex.Seal(status, boot: boot))
    } catch {}
  }

  /// Applies the same change to the index as to the directory; builds the index again if that fails.
  private mutating func updateIndex(_ change: (inout LeaseIndex) throws(KernelError) -> Void) throws(CNIError) {
    do throws(KernelError) {
      guard isIndexComplete else { return }
      try change(&index)
      seal()
    } catch {
      try withStoreErrors { () throws(KernelError) in try rebuildIndex() }
    }
  }

  func file(_ address: IPAddress) -> String { "\(path)/\(address)" }

  private func content(of address: IPAddress) throws(KernelError) -> LeaseContent {
    try LeaseContent(ofFile: file(address))
  }
}

// MARK: reading

extension LeaseDirectory {
  public mutating func addresses(of holder: LeaseHolder) throws(CNIError) -> [IPAddress] {
    let exact = try verified(holder)
    return exact.isEmpty && holder.interface != nil
      ? try verified(LeaseHolder(container: holder.container, interface: nil)) : exact
  }

  private mutating func verified(_ holder: LeaseHolder) throws(CNIError) -> [IPAddress] {
    try withStoreErrors { () throws(KernelError) in
      let hinted = try index.addresses(holderHash: holder.hash)
      let held = try addresses(among: hinted, of: holder)
      guard held.count < hinted.count else { return held }
      // A lease file was overwritten, which does not change the directory's mtime: read all files again.
      try rebuildIndex()
      return try addresses(among: try index.addresses(holderHash: holder.hash), of: holder)
    }
  }

  private func addresses(among hinted: [IPAddress], of holder: LeaseHolder) throws(KernelError) -> [IPAddress] {
    var held: [IPAddress] = []
    for address in hinted {
      if try content(of: address) == .held(holder) { held.append(address) }
    }
    return held.sorted()
  }

  public mutating func holder(of address: IPAddress) throws(CNIError) -> LeaseHolder? {
    let found = try withStoreErrors { () throws(KernelError) in try content(of: address) }
    switch found {
    case .missing: return nil
    case .held(let holder): return holder
    case .unknown: return LeaseHolder(container: "unknown", interface: nil)
    case .incomplete:
      try release(address)
      return nil
    }
  }

  public mutating func firstFree(in span: AddressSpan) throws(CNIError) -> IPAddress? {
    try withStoreErrors { () throws(KernelError) in try index.firstFree(in: span) }
  }

  public mutating func leasedCount(in spans: [AddressSpan]) throws(CNIError) -> UInt128 {
    try withStoreErrors { () throws(KernelError) in try index.leasedCount(in: spans) }
  }
}

// MARK: changing

extension LeaseDirectory {
  public mutating func take(
    _ address: IPAddress, for holder: LeaseHolder, namespacePath: String, set: Int
  ) throws(CNIError) -> Bool {
    let attributes = LeaseLifetime(namespacePath: namespacePath)?.attributes ?? []
    guard try create(address, holder, attributes) else { return false }
    do throws(CNIError) {
      try withStoreErrors { () throws(KernelError) in
        try writeLastReserved(address, set: set)
      }
      try updateIndex { (index) throws(KernelError) in
        try index.insert(LeaseIndex.Entry(holderHash: holder.hash, address: address))
      }
    } catch {
      throw CNIError(joining: [error] + releaseAll([address])) ?? error
    }
    return true
  }

  /// False if the address is leased; an incomplete lease is replaced.
  private mutating func create(
    _ address: IPAddress, _ holder: LeaseHolder, _ attributes: [(String, [UInt8])]
  ) throws(CNIError) -> Bool {
    do throws(KernelError) {
      try withPathInErrors(file(address)) { () throws(KernelError) in
        try Files.create(address.description, in: path, holder.fileContent, attributes: attributes)
      }
      return true
    } catch {
      guard error.errno == .EEXIST else { throw storeError(error) }
    }
    if try self.holder(of: address) == nil { return try create(address, holder, attributes) }
    // The index lacks this lease: another process changed a file without changing the directory's mtime.
    try withStoreErrors { () throws(KernelError) in try rebuildIndex() }
    return false
  }

  /// Overwrites the file in place, as the reference plugin does: works on a full disk and keeps the directory's mtime.
  private func writeLastReserved(_ address: IPAddress, set: Int) throws(KernelError) {
    let name = "\(path)/last_reserved_ip.\(set)"
    let text = Array(address.description.utf8)
    try withPathInErrors(name) { () throws(KernelError) in
      if try Files.state(name) == .other { try Files.clear(name) }
      let file = try Descriptor.open(name, for: .updating)
      try file.write(text, at: 0)
      try file.resize(to: text.count)
    }
  }

  public mutating func release(_ address: IPAddress) throws(CNIError) {
    let removed = try withStoreErrors { () throws(KernelError) in
      let removed = try content(of: address)
      try Files.remove(file(address))
      return removed
    }
    try updateIndex { (index) throws(KernelError) in
      switch removed {
      case .missing, .incomplete: return
      case .held(let holder): try index.remove(LeaseIndex.Entry(holderHash: holder.hash, address: address))
      case .unknown: try index.remove(LeaseIndex.Entry(holderHash: 0, address: address))
      }
    }
  }
}

// What a plugin needs in addition to taking and releasing leases.

extension LeaseDirectory {
  public mutating func lastReserved(set: Int) throws(CNIError) -> IPAddress? {
    let name = "\(path)/last_reserved_ip.\(set)"
    let text = try withStoreErrors { () throws(KernelError) in try Files.state(name) }
    return text.bytes.flatMap { IPAddress(String(decoding: $0, as: UTF8.self)) }
  }

  public mutating func allLeases() throws(CNIError) -> [Lease] {
    try withStoreErrors { () throws(KernelError) in try LeaseDirectory.leases(in: path) ?? [] }
  }

  public mutating func deadLeases() throws(CNIError) -> [IPAddress] {
    let files = try withStoreErrors { () throws(KernelError) in try Files.list(path) ?? [] }
    var finder = LeaseLifetime.DeadLeaseFinder()
    var dead: [IPAddress] = []
    for address in files.compactMap(leasedAddress) where finder.isDead(leaseFile: file(address)) {
      dead.append(address)
    }
    return dead.sorted()
  }

  public mutating func stickyAddresses(of name: StickyName) throws(CNIError) -> [IPAddress] {
    try withStoreErrors { () throws(KernelError) in try sticky.addresses(of: name) }
  }

  public mutating func stickyOwner(of address: IPAddress) throws(CNIError) -> StickyName? {
    try withStoreErrors { () throws(KernelError) in try sticky.name(of: address) }
  }

  public mutating func recordAddresses(_ addresses: [IPAddress], for name: StickyName) throws(CNIError) {
    try withStoreErrors { () throws(KernelError) in
      try withPathInErrors(sticky.directory) { () throws(KernelError) in
        try sticky.recordAddresses(addresses, for: name)
      }
    }
  }
}

extension LeaseDirectory {
  /// `open` with its default arguments.
  public static func open(
    _ dataDir: String, _ network: NetworkName, _ createIfMissing: Bool
  ) throws(CNIError) -> LeaseDirectory? {
    try open(dataDir: dataDir, network: network, createIfMissing: createIfMissing)
  }
}

/// Reads a text file.
///
/// - Throws: code 106.
public func fileText(_ path: String) throws(CNIError) -> String {
  try withStoreErrors { () throws(KernelError) in
    // Opening a FIFO would block.
    guard try Files.status(path)?.isRegular != false else {
      throw KernelError("read \(path)", errno: .none, reason: "want a regular file")
    }
    return try withPathInErrors(path) { () throws(KernelError) in String(decoding: try Files.read(path), as: UTF8.self)
    }
  }
}
