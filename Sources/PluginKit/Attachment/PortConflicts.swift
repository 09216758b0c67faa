public import CNI
public import Kernel
import NetTypes
public import PacketFilter

/// Refuses ports that are in use on the host.
public struct PortConflicts {
  private let owner: AttachmentID
  private let allowsBound: Bool
  private let isForService: Bool
  private let proxies: Set<String>

  /// - Parameters:
  ///   - owner: the attachment that is to publish ports.
  ///   - allowsBound: whether a port may be published although a process has bound it.
  ///   - isForService: whether the ports lead to a service. The back-ends of one service share them; whether two services
  ///     have the same port is not checked here.
  ///   - proxies: the configuration files of haproxy processes that may have bound the ports.
  public init(
    owner: AttachmentID, allowsBound: Bool = false, isForService: Bool = false, proxies: Set<String> = []
  ) {
    self.owner = owner
    self.proxies = proxies
    self.allowsBound = allowsBound
    self.isForService = isForService
  }

  /// Refuses ports that another attachment publishes or a process has bound.
  ///
  /// Some runtimes request the same ports on every network of a container. A port that another network of the same
  /// container publishes already is marked as spare (`isSpare`).
  ///
  /// - Throws: code 107 with the first port that is in use and its holder.
  public func check<K: Kernel & ~Copyable>(_ ports: inout [PublishedPort], on kernel: inout K) throws(CNIError) {
    guard !ports.isEmpty else { return }
    let holders = try convertingErrors { () throws(KernelError) in try kernel.filter.holders(of: ports) }
    // Ports that this attachment published in an ADD that was killed are replaced.
    let others = holders.filter { $0.isService ? !isForService : isForService || $0.tag != owner.filterTag }
    for (index, port) in ports.enumerated() {
      guard let holder = others.first(where: { port.conflicts(with: $0.port) }) else { continue }
      ports[index].isSpare = !holder.isService && !isForService && owner.isSameContainer(asFilterTag: holder.tag)
      if ports[index].isSpare { continue }
      throw CNIError(
        .portInUse,
        "publish host port \(port.hostText): published already as \(holder.port.hostText) for "
          + "\(holder.isService ? "a service with " : "")\(AttachmentID.description(ofFilterTag: holder.tag)): "
          + "want another port")
    }
    if !allowsBound { try checkProcesses(ports, on: &kernel) }
  }

  private func checkProcesses<K: Kernel & ~Copyable>(
    _ ports: [PublishedPort], on kernel: inout K
  ) throws(CNIError) {
    for transport in TransportProtocol.allCases {
      let own = ports.filter { $0.transport == transport }
      guard !own.isEmpty else { continue }
      let listeners = try convertingErrors { () throws(KernelError) in
        try kernel.listeners(transport, Set(own.map { $0.hostPort }))
      }
      let taken = own.compactMap { port in
        listeners.first { port.isTaken(by: $0) }.map { (port: port, listener: $0) }
      }
      guard !taken.isEmpty else { continue }
      let inodes = Set(listeners.map { $0.inode }).subtracting([0])
      let holders = try convertingErrors { () throws(KernelError) in try kernel.holders(ofSockets: inodes) }
      for (port, _) in taken {
        for listener in listeners where port.isTaken(by: listener) {
          try check(port, listener, holders.filter { $0.inode == listener.inode && listener.inode != 0 })
        }
      }
    }
  }

  private func check(
    _ port: PublishedPort, _ listener: Listener, _ holders: [SocketHolder]
  ) throws(CNIError) {
    // Some runtimes reserve their container's ports with a socket of their own.
    guard !holders.contains(where: isOwnRuntime), !holders.contains(where: isProxy) else { return }
    let holderText =
      holders.first.map { "process \($0.pid), \($0.command.prefix(80))" }
      ?? "a socket of a process that is not visible here"
    throw CNIError(
      .portInUse,
      "publish host port \(port.hostText): \(listener.address.withPort(listener.port)) is bound by \(holderText): "
        + "want another port\(isForService ? "" : ", or \"allowBound\": true")")
  }

  private func isProxy(_ holder: SocketHolder) -> Bool {
    holder.command.split(separator: " ").contains { proxies.contains(String($0)) }
  }

  private func isOwnRuntime(_ holder: SocketHolder) -> Bool {
    let separators: Set<Character> = [" ", "/", "=", ",", ":"]
    return holder.command.split { separators.contains($0) }.contains { $0 == owner.container.description }
  }
}

extension PublishedPort {
  /// Whether a process that listens there would take the connections.
  public func isTaken(by listener: Listener) -> Bool { listener.port == hostPort && listener.accepts(hostIP, family) }
}
