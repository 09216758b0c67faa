import CNI
import NetTypes

extension NetworkList {
  /// One sentence for each range that ends at its subnet's broadcast address, which no container gets.
  var broadcastNotes: [String] {
    plugins.flatMap { plugin -> [String] in
      guard let ipam = plugin.config.member("ipam")?.value else { return [] }
      let sets = ipam.member("ranges")?.value.array ?? []
      return ([ipam] + sets.flatMap { $0.array ?? [] }).compactMap { range in
        let subnet = range.member("subnet")?.value.string.flatMap(IPPrefix.init)
        let end = range.member("rangeEnd")?.value.string.flatMap(IPAddress.init)
        guard let subnet, let end, subnet.broadcast == end else { return nil }
        return "rangeEnd \(end): the broadcast address of \(subnet): it is not handed out"
      }
    }
  }
}
