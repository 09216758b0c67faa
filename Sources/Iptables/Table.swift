import Glibc
import Kernel
import Linux
import NetTypes

/// A copy of one table, taken whole: changed here, then committed whole.
///
/// libiptc keeps the counters of rules that stay. Every change is noted, so that it can be taken back.
@safe struct Table: ~Copyable {
  let name: TableName
  private(set) var edits: [TableEdit] = []
  private let library: Libiptc
  private let handle: OpaquePointer

  /// Takes the table as it is now; the kernel makes it where it was not used yet.
  ///
  /// - Throws: ENOENT where a library is not there, ENOPROTOOPT or ENOENT where the kernel has no such table.
  static func take(_ name: TableName) throws(KernelError) -> Table {
    let library = try Libiptc.load(name.family)
    if let handle = unsafe library.initialize(name.kind.rawValue) { return unsafe Table(name, library, handle) }
    guard errno == ENOPROTOOPT else { throw KernelError(errno: errno, doing: "take \(name)") }
    loadModule(name.family)
    guard let handle = unsafe library.initialize(name.kind.rawValue) else {
      throw KernelError(errno: errno, doing: "take \(name)")
    }
    return unsafe Table(name, library, handle)
  }

  /// Legacy tables are the one part of the packet filter that a kernel does not load by itself when it is asked for it.
  ///
  /// Where there is no such module, the kernel's answer to the next question says so.
  private static func loadModule(_ family: IPFamily) {
    let module = family == .v4 ? "ip_tables" : "ip6_tables"
    _ = try? ChildProcess.run(
      "/sbin/modprobe", ["--quiet", module], environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], input: [], seconds: 10
    )
  }

  private init(_ name: TableName, _ library: Libiptc, _ handle: OpaquePointer) {
    self.name = name
    self.library = library
    unsafe self.handle = unsafe handle
  }

  deinit { unsafe library.free(handle) }

  /// Makes the copy the table.
  ///
  /// - Throws: EAGAIN where the table was changed since it was taken; what the kernel says of a rule.
  func commit() throws(KernelError) {
    guard !edits.isEmpty else { return }
    try check(unsafe library.commit(handle), "commit \(name)")
  }

  /// The built-in chains and then the others, by name.
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

  /// The rules of that chain; none where there is no such chain.
  func rules(in chain: String) -> [PresentRule] {
    var rules: [PresentRule] = []
    _ = firstIndex(in: chain) {
      rules.append($0)
      return false
    }
    return rules
  }

  /// The place of the first rule in that chain of which `holds` is true.
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

  /// How many rules jump there; 0 where there is no such chain.
  func references(to chain: String) -> Int {
    var count: CUnsignedInt = 0
    return unsafe library.references(&count, chain, handle) != 0 ? Int(count) : 0
  }

  mutating func create(_ chain: String) throws(KernelError) {
    try check(unsafe library.createChain(chain, handle), "create chain \(chain) in \(name)")
    edits.append(.created(chain))
  }

  /// Deletes an empty chain that nobody jumps to.
  mutating func delete(_ chain: String) throws(KernelError) {
    try check(unsafe library.deleteChain(chain, handle), "delete chain \(chain) in \(name)")
    edits.append(.deletedChain(chain))
  }

  mutating func append(_ entry: [UInt8], to chain: String) throws(KernelError) {
    try check(
      unsafe entry.withUnsafeBytes { unsafe add($0.baseAddress) { unsafe library.append(chain, $0, handle) } },
      "append to chain \(chain) in \(name)")
    edits.append(.appended(chain))
  }

  /// Puts the rule where `index` is, 0 being the first, and what is there after it.
  mutating func insert(_ entry: [UInt8], at index: Int, in chain: String) throws(KernelError) {
    try check(
      unsafe entry.withUnsafeBytes {
        unsafe add($0.baseAddress) { unsafe library.insert(chain, $0, CUnsignedInt(index), handle) }
      }, "insert into chain \(chain) in \(name)")
    edits.append(.inserted(chain, index))
  }

  mutating func delete(_ rule: PresentRule, at index: Int, in chain: String) throws(KernelError) {
    try check(
      unsafe library.delete(chain, CUnsignedInt(index), handle), "delete from chain \(chain) in \(name)")
    edits.append(.deleted(chain, index, rule))
  }

  private func add(_ entry: UnsafeRawPointer?, _ body: (UnsafeRawPointer) -> CInt) -> CInt {
    guard let entry = unsafe entry else { return 0 }
    return unsafe body(entry)
  }

  /// libiptc returns 0 and sets errno.
  private func check(_ status: CInt, _ operation: @autoclosure () -> String) throws(KernelError) {
    let error = errno
    guard status == 0 else { return }
    throw KernelError(errno: error, doing: operation())
  }
}

/// A change of a table, with what is needed to take it back.
enum TableEdit: Equatable, Sendable {
  case created(String)
  case deletedChain(String)
  case appended(String)
  case inserted(String, Int)
  case deleted(String, Int, PresentRule)
}

extension Table {
  /// Takes changes back that were committed, the last one first.
  mutating func takeBack(_ edits: [TableEdit]) throws(KernelError) {
    for edit in edits.reversed() {
      switch edit {
      case .created(let chain): try delete(chain)
      case .deletedChain(let chain): try create(chain)
      case .appended(let chain):
        let rules = rules(in: chain)
        if let last = rules.last { try delete(last, at: rules.count - 1, in: chain) }
      case .inserted(let chain, let index):
        let rules = rules(in: chain)
        if rules.indices.contains(index) { try delete(rules[index], at: index, in: chain) }
      case .deleted(let chain, let index, let rule): try insert(rule.insertable, at: index, in: chain)
      }
    }
  }
}
