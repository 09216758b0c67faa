import Glibc
import Linux
import NetTypes

/// The functions of libip4tc or libip6tc, loaded when first needed (`libiptc/libiptc.h`).
///
/// Entries are passed as untyped memory, so that the functions of both families have the same signature.
@safe struct Libiptc {
  typealias Name = UnsafePointer<CChar>

  let initialize: @convention(c) (Name) -> OpaquePointer?
  let free: @convention(c) (OpaquePointer) -> Void
  let firstChain: @convention(c) (OpaquePointer) -> Name?
  let nextChain: @convention(c) (OpaquePointer) -> Name?
  let isChain: @convention(c) (Name, OpaquePointer) -> CInt
  let firstRule: @convention(c) (Name, OpaquePointer) -> UnsafeRawPointer?
  let nextRule: @convention(c) (UnsafeRawPointer, OpaquePointer) -> UnsafeRawPointer?
  let target: @convention(c) (UnsafeRawPointer, OpaquePointer) -> Name?
  let insert: @convention(c) (Name, UnsafeRawPointer, CUnsignedInt, OpaquePointer) -> CInt
  let append: @convention(c) (Name, UnsafeRawPointer, OpaquePointer) -> CInt
  let delete: @convention(c) (Name, CUnsignedInt, OpaquePointer) -> CInt
  let createChain: @convention(c) (Name, OpaquePointer) -> CInt
  let deleteChain: @convention(c) (Name, OpaquePointer) -> CInt
  let references: @convention(c) (UnsafeMutablePointer<CUnsignedInt>, Name, OpaquePointer) -> CInt
  let policy: @convention(c) (Name, UnsafeMutableRawPointer, OpaquePointer) -> Name?
  let commit: @convention(c) (OpaquePointer) -> CInt

  /// Loads the library of the family, which then stays loaded.
  ///
  /// - Throws: ENOENT with the name of the package that has it, if it is missing.
  static func load(_ family: IPFamily) throws(KernelError) -> Libiptc {
    let (file, prefix) = family == .v4 ? ("libip4tc.so.2", "iptc_") : ("libip6tc.so.2", "ip6tc_")
    let library = try unsafe SharedLibrary.load(file, package: family == .v4 ? "libip4tc2" : "libip6tc2")
    return try unsafe Libiptc(library, file, prefix)
  }

  private init(_ library: UnsafeMutableRawPointer, _ file: String, _ prefix: String) throws(KernelError) {
    func find<Function>(_ name: String, _: Function.Type) throws(KernelError) -> Function {
      guard let address = unsafe dlsym(library, prefix + name) else {
        throw KernelError("load \(file)", errno: .ENOSYS, reason: "has no \(prefix)\(name)")
      }
      return unsafe unsafeBitCast(address, to: Function.self)
    }
    typealias OnChain = @convention(c) (Name, OpaquePointer) -> CInt
    typealias Chain = @convention(c) (OpaquePointer) -> Name?
    unsafe initialize = try find("init", (@convention(c) (Name) -> OpaquePointer?).self)
    unsafe free = try find("free", (@convention(c) (OpaquePointer) -> Void).self)
    unsafe firstChain = try find("first_chain", Chain.self)
    unsafe nextChain = try find("next_chain", Chain.self)
    unsafe isChain = try find("is_chain", OnChain.self)
    unsafe firstRule = try find("first_rule", (@convention(c) (Name, OpaquePointer) -> UnsafeRawPointer?).self)
    unsafe nextRule = try find(
      "next_rule", (@convention(c) (UnsafeRawPointer, OpaquePointer) -> UnsafeRawPointer?).self)
    unsafe target = try find("get_target", (@convention(c) (UnsafeRawPointer, OpaquePointer) -> Name?).self)
    unsafe insert = try find(
      "insert_entry", (@convention(c) (Name, UnsafeRawPointer, CUnsignedInt, OpaquePointer) -> CInt).self)
    unsafe append = try find("append_entry", (@convention(c) (Name, UnsafeRawPointer, OpaquePointer) -> CInt).self)
    unsafe delete = try find("delete_num_entry", (@convention(c) (Name, CUnsignedInt, OpaquePointer) -> CInt).self)
    unsafe createChain = try find("create_chain", OnChain.self)
    unsafe deleteChain = try find("delete_chain", OnChain.self)
    unsafe references = try find(
      "get_references", (@convention(c) (UnsafeMutablePointer<CUnsignedInt>, Name, OpaquePointer) -> CInt).self)
    unsafe policy = try find(
      "get_policy", (@convention(c) (Name, UnsafeMutableRawPointer, OpaquePointer) -> Name?).self)
    unsafe commit = try find("commit", (@convention(c) (OpaquePointer) -> CInt).self)
  }
}
