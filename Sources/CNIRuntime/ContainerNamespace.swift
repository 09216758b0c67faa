public import CNI
import Glibc
import Linux
public import NetTypes

/// A container's network namespace, by path.
public struct ContainerNamespace: Equatable, Sendable {
  public var path: String

  /// - Parameter text: a path, or a name under `/run/netns`.
  public init(_ text: String) {
    path = text.contains("/") ? text : "\(StatePaths.namespaces)/\(text)"
  }

  /// The namespace of an attachment; the path is empty if the attachment has none.
  public init(of attachment: NetworkAttachment) { path = attachment.namespacePath }

  public init(processID: Int) { path = "/proc/\(processID)/ns/net" }

  /// Whether a namespace exists.
  public enum Presence: Equatable, Sendable {
    case live
    /// No namespace is at the path.
    case gone
    /// No path is known, or it cannot be opened.
    case unknown
  }

  /// Whether there is a namespace at the path now, seen from this process.
  public var presence: Presence {
    guard path.hasPrefix("/") else { return .unknown }
    do throws(KernelError) {
      _ = try Namespace.open(path)
      return .live
    } catch {
      return error.meansNoNamespace ? .gone : .unknown
    }
  }

  /// Whether both paths are equal or lead to the same namespace now.
  public func isSame(as other: ContainerNamespace) -> Bool {
    if path == other.path { return true }
    guard let own = try? Namespace.open(path).identity(), let its = try? Namespace.open(other.path).identity() else {
      return false
    }
    return own == its
  }

  /// Under `/run/netns`; `nil` for other paths.
  public var name: String? {
    let prefix = "\(StatePaths.namespaces)/"
    return path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : nil
  }

  /// The ID of a container without a given one: the namespace's name, otherwise `ns-` and its inode.
  ///
  /// - Throws: code 8 if there is no namespace.
  public func defaultContainerID() throws(CNIError) -> ContainerID {
    let inode = try open { namespace throws(KernelError) in try namespace.identity().inode }
    if let id = name.flatMap(ContainerID.init) { return id }
    guard let id = ContainerID("ns-\(inode)") else {
      throw CNIError(.invalidNamespace, "\(path): want --container")
    }
    return id
  }

  /// The names of the interfaces in the namespace.
  ///
  /// - Throws: code 8 if there is no namespace.
  public func interfaces() throws(CNIError) -> [String] {
    let bytes = try open { namespace throws(KernelError) in
      try namespace.enter { () throws(KernelError) in try Files.read("/proc/thread-self/net/dev") }
    }
    return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).dropFirst(2).compactMap { line in
      line.split(separator: ":").first.map { String($0.drop(while: \.isWhitespace)) }
    }
  }

  /// The first of `eth0`, `eth1` … that does not exist.
  public func freeInterfaceName() throws(CNIError) -> InterfaceName {
    let taken = Set(try interfaces())
    let free = (0...taken.count).lazy.map { "eth\($0)" }.first { !taken.contains($0) }
    guard let free, let name = InterfaceName(free) else {
      throw CNIError(.invalidNamespace, "\(path): no free interface name: want --ifname")
    }
    return name
  }

  private func open<Value>(_ body: (borrowing Namespace) throws(KernelError) -> Value) throws(CNIError) -> Value {
    do throws(KernelError) {
      return try body(try Namespace.open(path))
    } catch {
      throw CNIError(error, as: .invalidNamespace)
    }
  }
}
