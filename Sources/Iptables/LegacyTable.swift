import Glibc
import Linux
import NetTypes

/// libiptc's copy of a legacy table, read and committed as a whole; rules that stay keep their counters.
@safe final class LegacyTable: TableStore {
  private let name: TableName
  private let library: Libiptc
  private let handle: OpaquePointer

  /// Reads the table as it is now; the kernel creates it if it was not in use.
  ///
  /// - Throws: ENOENT if the library is missing, ENOPROTOOPT or ENOENT if the kernel has no such table.
  init(_ name: TableName) throws(KernelError) {
    self.name = name
    library = try Libiptc.load(name.family)
    unsafe handle = try unsafe Self.read(name, library)
  }

  deinit { unsafe library.free(handle) }

  private static func read(_ name: TableName, _ library: Libiptc) throws(KernelError) -> OpaquePointer {
    if let handle = unsafe library.initialize(name.kind.rawValue) { return unsafe handle }
    guard errno == ENOPROTOOPT else { throw KernelError(errno: .last, doing: "read \(name)") }
    loadModule(name.family)
    guard let handle = unsafe library.initialize(name.kind.rawValue) else {
      throw KernelError(errno: .last, doing: "read \(name)")
    }
    return unsafe handle
  }

  /// Loads the module of the legacy tables, which the kernel does not load by itself, unlike the other parts of netfilter.
  ///
  /// If there is no such module, the kernel's next answer reports that.
  private static func loadModule(_ family: IPFamily) {
    let module = family == .v4 ? "ip_tables" : "ip6_tables"
    _ = try? ChildProcess.run(
      "/sbin/modprobe", ["--quiet", module], environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], input: [], seconds: 10
    )
  }

  /// - Throws: EAGAIN if the call was interrupted and the table is unchanged.
  func commit() throws(KernelError) {
    do throws(KernelError) {
      try check(unsafe library.commit(handle), "commit \(name)")
    } catch {
      // The kernel may have replaced the table and then failed to set the counters.
      guard let current = try? LegacyTable(name), current.contents == contents else {
        throw error.errno.isOne(of: .EINTR, .ENOBUFS) ? KernelError(errno: .EAGAIN, doing: error.operation) : error
      }
    }
  }

  /// The keys of each chain's rules.
  private var contents: [String: [[UInt8]]] {
    chains.reduce(into: [:]) { contents, chain in
      var keys: [[UInt8]] = []
      _ = firstIndex(in: chain) { rule in
        keys.append(rule.key)
        return false
      }
      contents[chain] = keys
    }
  }

  /// The built-in chains and then the others, sorted by name.
  var chains: [String] {
    var names: [String] = []
    var next = unsafe library.firstChain(handle)
    while let name = unsafe next {
      names.append(unsafe String(cString: name))
      unsafe next = unsafe library.nextChain(handle)
    }
    return names
  }

  func has(_ chain: String) -> Bool { unsafe library.isChain(chain, handle) != 0 }

  func firstIndex(in chain: String, where holds: (PresentRule) -> Bool) -> Int? {
    guard has(chain) else { return nil }
    var index = 0
    var next = unsafe library.firstRule(chain, handle)
    while let entry = unsafe next {
      if holds(unsafe rule(at: entry)) { return index }
      index += 1
      unsafe next = unsafe library.nextRule(entry, handle)
    }
    return nil
  }

  private func rule(at entry: UnsafeRawPointer) -> PresentRule {
    let offset = EntryShape(name.family).targetOffset + 2  // next_offset: the entry's size
    let size = unsafe Int(entry.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    let target = unsafe library.target(entry, handle).map { unsafe String(cString: $0) }
    return PresentRule(
      name.family, read: unsafe Array(UnsafeRawBufferPointer(start: entry, count: size)), target: target ?? "")
  }

  func references(to chain: String) -> Int {
    var count: CUnsignedInt = 0
    return unsafe library.references(&count, chain, handle) != 0 ? Int(count) : 0
  }

  func policy(of chain: String) -> String? {
    var counters: (UInt64, UInt64) = (0, 0)
    return unsafe withUnsafeMutableBytes(of: &counters) { counters in
      unsafe counters.baseAddress.flatMap { unsafe library.policy(chain, $0, handle) }.map {
        unsafe String(cString: $0)
      }
    }
  }

  func create(_ chain: String) throws(KernelError) {
    try check(unsafe library.createChain(chain, handle), "create chain \(chain) in \(name)")
  }

  func delete(_ chain: String) throws(KernelError) {
    try check(unsafe library.deleteChain(chain, handle), "delete chain \(chain) in \(name)")
  }

  func append(_ entry: [UInt8], to chain: String) throws(KernelError) {
    try check(
      unsafe entry.withUnsafeBytes { unsafe add($0.baseAddress) { unsafe library.append(chain, $0, handle) } },
      "append to chain \(chain) in \(name)")
  }

  func insert(_ entry: [UInt8], at index: Int, in chain: String) throws(KernelError) {
    try check(
      unsafe entry.withUnsafeBytes {
        unsafe add($0.baseAddress) { unsafe library.insert(chain, $0, CUnsignedInt(index), handle) }
      }, "insert into chain \(chain) in \(name)")
  }

  func deleteRule(at index: Int, in chain: String) throws(KernelError) {
    try check(
      unsafe library.delete(chain, CUnsignedInt(index), handle), "delete from chain \(chain) in \(name)")
  }

  private func add(_ entry: UnsafeRawPointer?, _ body: (UnsafeRawPointer) -> CInt) -> CInt {
    guard let entry = unsafe entry else { return 0 }
    return unsafe body(entry)
  }

  /// Throws errno if libiptc returned 0, its value for failure.
  private func check(_ status: CInt, _ operation: @autoclosure () -> String) throws(KernelError) {
    let error = Errno.last
    guard status == 0 else { return }
    throw KernelError(errno: error, doing: operation())
  }
}
