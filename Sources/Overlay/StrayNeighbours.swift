public import Kernel
public import NetTypes

extension Kernel where Self: ~Copyable {
  /// What a routing daemon was told of containers that are gone: neighbours of a bridge that are behind none of its ports.
  ///
  /// - Parameters:
  ///   - bridge: of the network.
  ///   - gone: ports that count as gone.
  /// - Returns: what removes them.
  /// - Throws: what the kernel said.
  public mutating func strayNeighbours(
    of bridge: InterfaceName, without gone: Set<InterfaceName>
  ) throws(KernelError) -> [Change] {
    guard let there = try link(bridge, on: .host), there.kind == "bridge" else { return [] }
    let neighbours: [NeighbourSpec]
    do throws(KernelError) { neighbours = try self.neighbours(of: bridge) } catch {
      // Another process deleted the bridge meanwhile.
      guard error.isAbsentLink else { throw error }
      return []
    }
    guard !neighbours.isEmpty else { return [] }
    var behind: Set<MACAddress> = []
    for port in try allLinks(on: .host) where port.master == there.index && !gone.contains(port.name) {
      do throws(KernelError) {
        let entries = try forwarding(of: port.name)
        // What the daemon put behind the tunnel is on another host now, whatever it was told here before.
        behind.formUnion(entries.filter { port.kind != "vxlan" || $0.table != .externallyLearned }.map(\.mac))
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
