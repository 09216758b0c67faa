public import CNI
public import IPAM
import Kernel
import Linux
public import NetTypes

/// The leases of one network in the reference plugin's form: a directory with a file for each address.
///
/// Locked against other processes, the reference plugin's too, as long as this value lives.
public struct LeaseDirectory: LeaseStore, ~Copyable {
  /// Where the indexes of all networks are.
  public static let defaultIndexDirectory = "/run/swift-cni/ipam"

  let path: String
  let sticky: StickyFiles
  private let directory: Descriptor
  private let lock: Descriptor
  private var index: LeaseIndex

  /// Opens and locks the leases of `network`, waiting for the lock for at most `lockSeconds`.
  ///
  /// `making` makes what is missing.
  ///
  /// - Returns: `nil` where there is no such directory and `making` is false.
  /// - Throws: code 11 where the lock stays taken, 106 for everything else.
  public static func open(
    dataDir: String, network: NetworkName, making: Bool, indexDirectory: String = defaultIndexDirectory,
    lockSeconds: Int = 30
  ) throws(CNIError) -> LeaseDirectory? {
    let path = "\(dataDir)/\(network)"
    return try storing { () throws(KernelError) in
      if try Files.status(path) == nil {
        guard making else { return nil }
        try Files.makeDirectories(path)
      }
      let lock = try openLock("\(path)/lock")
      try lock.lock(exclusively: true, seconds: lockSeconds, doing: "lock \(path)/lock")
      let directory = try Descriptor.open(path)
      let file = openIndex(of: try directory.status(), in: indexDirectory)
      var leases = LeaseDirectory(
        path: path, sticky: StickyFiles(directory: "\(dataDir)/.sticky/\(network)"), directory: directory, lock: lock,
        index: LeaseIndex(file: file))
      try leases.fitIndex()
      return leases
    }
  }

  private init(
    path: String, sticky: StickyFiles, directory: consuming Descriptor, lock: consuming Descriptor,
    index: consuming LeaseIndex
  ) {
    self.path = path
    self.sticky = sticky
    self.directory = directory
    self.lock = lock
    self.index = index
  }

  private static func openLock(_ path: String) throws(KernelError) -> Descriptor {
    do throws(KernelError) {
      return try Descriptor.open(path)
    } catch  where error.errno == ENOENT {
      return try Descriptor.open(path, for: .updating, mode: 0o750)
    }
  }

  /// The index goes with the directory and not with its name, so that two spellings of one path share it.
  private static func openIndex(of directory: FileStatus, in indexDirectory: String) -> Descriptor? {
    let name = "\(hex(UInt64(directory.device)))-\(hex(UInt64(directory.inode)))"
    // Without an index every call reads the directory, which is slow and right.
    try? Files.makeDirectories(indexDirectory, mode: 0o700)
    return try? Descriptor.open("\(indexDirectory)/\(name)", for: .updating)
  }

  /// Takes the index as it is where it tells of the directory as it is; else builds it anew.
  private mutating func fitIndex() throws(KernelError) {
    let fits = try? index.open(fitting: LeaseIndex.Seal(directory.status()))  // unreadable is as good as missing
    if fits != true { try rebuildIndex() }
  }

  private mutating func rebuildIndex() throws(KernelError) {
    var entries: [LeaseIndex.Entry] = []
    for name in try Files.list(path) ?? [] {
      guard let address = leasedAddress(name) else { continue }
      switch try content(of: address) {
      case .missing, .torn: continue
      case .held(let holder): entries.append(LeaseIndex.Entry(holderHash: holder.hash, address: address))
      case .unknown: entries.append(LeaseIndex.Entry(holderHash: 0, address: address))
      }
    }
    try index.rebuild(from: entries)
    seal()
  }

  /// Marks the directory with a time that no other change would give it, and the index with the same.
  private mutating func seal() {
    guard index.isKept, let before = try? directory.status().modified else { return }
    let mark = FileTime(seconds: before.seconds, nanoseconds: Int.random(in: 0..<1_000_000_000))
    // Where this fails, directory and index differ, and whoever comes next builds the index anew.
    do throws(KernelError) {
      try directory.setModified(mark)
      try index.close(with: LeaseIndex.Seal(directory.status()))
    } catch {}
  }

  /// Changes the index along with the directory; builds it anew where that fails.
  private mutating func follow(_ change: (inout LeaseIndex) throws(KernelError) -> Void) throws(CNIError) {
    do throws(KernelError) {
      try change(&index)
      seal()
    } catch {
      try storing { () throws(KernelError) in try rebuildIndex() }
    }
  }

  private func file(_ address: IPAddress) -> String { "\(path)/\(address)" }

  private func content(of address: IPAddress) throws(KernelError) -> LeaseContent {
    try LeaseContent(ofFile: file(address))
  }
}

// MARK: looking

extension LeaseDirectory {
  public mutating func addresses(of holder: LeaseHolder) throws(CNIError) -> [IPAddress] {
    let exact = try verified(holder)
    return exact.isEmpty && holder.interface != nil
      ? try verified(LeaseHolder(container: holder.container, interface: nil)) : exact
  }

  private func verified(_ holder: LeaseHolder) throws(CNIError) -> [IPAddress] {
    try storing { () throws(KernelError) in
      var addresses: [IPAddress] = []
      for address in try index.addresses(holderHash: holder.hash) {
        if try content(of: address) == .held(holder) { addresses.append(address) }
      }
      return addresses.sorted()
    }
  }

  public mutating func holder(of address: IPAddress) throws(CNIError) -> LeaseHolder? {
    let found = try storing { () throws(KernelError) in try content(of: address) }
    switch found {
    case .missing: return nil
    case .held(let holder): return holder
    case .unknown: return LeaseHolder(container: "unknown", interface: nil)
    case .torn:
      try release(address)
      return nil
    }
  }

  public mutating func firstFree(in span: AddressSpan) throws(CNIError) -> IPAddress? {
    try storing { () throws(KernelError) in try index.firstFree(in: span) }
  }

  public mutating func leasedCount(in spans: [AddressSpan]) throws(CNIError) -> UInt128 {
    try storing { () throws(KernelError) in try index.leasedCount(in: spans) }
  }

  public mutating func allLeases() throws(CNIError) -> [Lease] {
    try storing { () throws(KernelError) in try LeaseDirectory.leases(in: path) ?? [] }
  }

  public mutating func deadLeases() throws(CNIError) -> [IPAddress] {
    let files = try storing { () throws(KernelError) in try Files.list(path) ?? [] }
    let survey = LeaseMark.Survey()
    return files.compactMap { leasedAddress($0) }.filter { survey.isDead(leaseFile: file($0)) }.sorted()
  }

  public mutating func lastReserved(set: Int) throws(CNIError) -> IPAddress? {
    let text = try storing { () throws(KernelError) in try Files.readIfPresent("\(path)/last_reserved_ip.\(set)") }
    return text.flatMap { IPAddress(String(decoding: $0, as: UTF8.self)) }
  }
}

// MARK: changing

extension LeaseDirectory {
  public mutating func take(
    _ address: IPAddress, for holder: LeaseHolder, namespacePath: String, set: Int
  ) throws(CNIError) -> Bool {
    let mark = LeaseMark(namespacePath: namespacePath).map { [(LeaseMark.attribute, Array($0.text.utf8))] } ?? []
    guard try create(address, holder, mark) else { return false }
    do throws(KernelError) {
      try writeLastReserved(address, set: set)
    } catch {
      var errors = [storeError(error)]
      do throws(CNIError) { try release(address) } catch { errors.append(error) }
      throw CNIError(joining: errors) ?? storeError(error)
    }
    try follow { (index) throws(KernelError) in
      try index.insert(LeaseIndex.Entry(holderHash: holder.hash, address: address))
    }
    return true
  }

  /// False where the address is leased; one leased to nobody is taken over.
  private mutating func create(
    _ address: IPAddress, _ holder: LeaseHolder, _ attributes: [(String, [UInt8])]
  ) throws(CNIError) -> Bool {
    do throws(KernelError) {
      try Files.create(address.description, in: path, holder.fileContent, attributes: attributes)
      return true
    } catch  where error.errno == EEXIST {
      guard try self.holder(of: address) == nil else {
        // The index did not know: somebody changed a file in a way that does not show in the directory.
        try storing { () throws(KernelError) in try rebuildIndex() }
        return false
      }
      return try create(address, holder, attributes)
    } catch {
      throw storeError(error)
    }
  }

  /// In place, as the reference plugin does: no new file where the disk is full, no change of the directory.
  private func writeLastReserved(_ address: IPAddress, set: Int) throws(KernelError) {
    let file = try Descriptor.open("\(path)/last_reserved_ip.\(set)", for: .updating)
    let text = Array(address.description.utf8)
    try file.write(text, at: 0)
    try file.resize(to: text.count)
  }

  public mutating func release(_ address: IPAddress) throws(CNIError) {
    let removed = try storing { () throws(KernelError) in
      let removed = try content(of: address)
      try Files.remove(file(address))
      return removed
    }
    try follow { (index) throws(KernelError) in
      switch removed {
      case .missing, .torn: return
      case .held(let holder): try index.remove(LeaseIndex.Entry(holderHash: holder.hash, address: address))
      case .unknown: try index.remove(LeaseIndex.Entry(holderHash: 0, address: address))
      }
    }
  }

  public mutating func remembered(_ name: StickyName) throws(CNIError) -> [IPAddress] {
    try storing { () throws(KernelError) in try sticky.addresses(of: name) }
  }

  public mutating func rememberer(of address: IPAddress) throws(CNIError) -> StickyName? {
    try storing { () throws(KernelError) in try sticky.name(of: address) }
  }

  public mutating func remember(_ addresses: [IPAddress], for name: StickyName) throws(CNIError) {
    try storing { () throws(KernelError) in try sticky.remember(addresses, for: name) }
  }
}

// MARK: for a plugin's main.swift

extension LeaseDirectory {
  /// As the other `open`, with its defaults.
  public static func open(
    _ dataDir: String, _ network: NetworkName, _ making: Bool
  ) throws(CNIError) -> LeaseDirectory? {
    try open(dataDir: dataDir, network: network, making: making)
  }
}

/// A text file's content.
///
/// - Throws: code 106.
public func fileText(_ path: String) throws(CNIError) -> String {
  try storing { () throws(KernelError) in String(decoding: try Files.read(path), as: UTF8.self) }
}
