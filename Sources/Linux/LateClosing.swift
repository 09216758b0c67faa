import CLinux

/// Closes netfilter sockets without waiting.
///
/// After a deletion in nf_tables, the last close of any netfilter socket waits for an RCU grace period, 10 to 20 ms. A
/// process that ends soon keeps its sockets instead. When it ends, a child that shares nothing else with it holds them
/// until the kernel has freed what was deleted.
public enum LateClosing {
  /// From now on, `keep` keeps sockets until the process ends, which must be single-threaded then.
  public static func begin() { cl_close_late() }

  /// Keeps a duplicate of a socket that is about to be closed.
  public static func keep(_ socket: borrowing Descriptor) { cl_keep_until_exit(socket.raw) }

  /// Keeps a duplicate of a socket that a library closes.
  public static func keep(raw socket: Int32) { cl_keep_until_exit(socket) }

  /// Call this before something is deleted in nf_tables.
  public static func noteDeletion() { cl_note_deletion() }
}
