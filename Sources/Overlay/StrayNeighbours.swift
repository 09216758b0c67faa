public import Kernel
public import NetTypes

extension Kernel where Self: ~Copyable {
  /// Finds the neighbour entries of containers that are gone: MAC addresses behind no port of the bridge.
  ///
  /// A routing daemon would still announce them to other hosts.
  ///
  /// - Parameters:
  ///   - bridge: the network's bridge.
  ///   - gone: ports to treat as gone.
  /// - Returns: changes that remove the entries.
  /// - Throws: the kernel's error.
  public mutating func strayNeighbours(
    of bridge: InterfaceName, without gone: Set<InterfaceName>
  ) throws(KernelError) -> [Change] {
    guard let bridgeLink = try link(bridge, on: .host), bridgeLink.kind == "bridge" else { return [] }
    let neighbours: [NeighbourSpec]
    do throws(KernelError) { neighbours = try self.neighbours(of: bridge) } catch {
      // Another process deleted the bridge meanwhile.
      guard error.isAbsentLink else { throw error }
      return []
    }
    guard !neighbours.isEmpty else { return [] }
    var behind: Set<MACAddress> = []
    for port in try allLinks(on: .host) where port.master == bridgeLink.index && !gone.contains(port.name) {
      do throws(KernelError) {
        let entries = try fdbEntries(of: port.name)
        // A MAC address that the daemon put behind the tunnel has moved to another host, so its neighbour entry is stale.
        behind.formUnion(entries.filter { port.kind != "vxlan" || $0.table != .externallyLearned }.map { $0.mac })
      } catch {
        guard error.isAbsentLink else { throw error }
      }
    }
    return neighbours.filter { $0.mac.map { !behind.contains($0) } ?? false }.map { .deleteNeighbour($0) }
  }
}

extension KernelError {
  var isAbsentLink: Bool { errno == .ENODEV }
}
