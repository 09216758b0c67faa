public import CNI
import Glibc
import Linux
public import NetTypes

/// A container's network namespace, by path.
public struct ContainerNamespace: Equatable, Sendable {
  public var path: String

  /// - Parameter text: a path, or a name under `/run/netns`.
  public init(_ text: String) {
    path = text.contains("/") ? text : "\(NamedNamespaces.directory)/\(text)"
  }

  /// The namespace that an attachment names; it may name none.
  public init(of attachment: NetworkAttachment) { path = attachment.namespacePath }

  public init(processID: Int) { path = "/proc/\(processID)/ns/net" }

  /// Whether a namespace is there.
  public enum Presence: Equatable, Sendable {
    case live
    /// The path leads to none.
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

  /// Whether both paths lead to one namespace: they are equal, or what is behind them now is.
  public func isSame(as other: ContainerNamespace) -> Bool {
    if path == other.path { return true }
    guard let own = try? Namespace.open(path).identity(), let its = try? Namespace.open(other.path).identity() else {
      return false
    }
    return own == its
  }

  /// Under `/run/netns`; `nil` for other paths.
  public var name: String? {
    let prefix = "\(NamedNamespaces.directory)/"
    return path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : nil
  }

  /// The identifier of a container that nobody named: the namespace's name, else `ns-` and its inode.
  ///
  /// - Throws: code 8 where there is no namespace.
  public func defaultContainerID() throws(CNIError) -> ContainerID {
    let inode = try open { namespace throws(KernelError) in try namespace.identity().inode }
    if let id = name.flatMap(ContainerID.init) { return id }
    guard let id = ContainerID("ns-\(inode)") else {
      throw CNIError(.invalidNamespace, "\(path): want --container")
    }
    return id
  }

  /// Names of the interfaces that are there.
  ///
  /// - Throws: code 8 where there is no namespace.
  public func interfaces() throws(CNIError) -> [String] {
    let bytes = try open { namespace throws(KernelError) in
      try namespace.enter { () throws(KernelError) in try Files.read("/proc/thread-self/net/dev") }
    }
    return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).dropFirst(2).compactMap { line in
      line.split(separator: ":").first.map { String($0.drop(while: \.isWhitespace)) }
    }
  }

  /// The first of `eth0`, `eth1` … that is not there.
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
