import CNI
import NetTypes

extension NetworkList {
  /// One sentence for each range that ends with its subnet's broadcast address, which no container gets.
  var broadcastNotes: [String] {
    plugins.enumerated().flatMap { index, plugin -> [String] in
      guard let ipam = plugin.config.member("ipam")?.value else { return [] }
      let sets = (ipam.member("ranges")?.value.array ?? []).enumerated().flatMap { set, ranges in
        (ranges.array ?? []).enumerated().map { (key: "ranges[\(set)][\($0.offset)].", range: $0.element) }
      }
      return ([(key: "", range: ipam)] + sets).compactMap { key, range in
        guard let broadcast = range.member("subnet")?.value.string.flatMap(IPPrefix.init)?.broadcast,
          range.member("rangeEnd")?.value.string.flatMap(IPAddress.init) == broadcast
        else { return nil }
        return "key \"plugins[\(index)].ipam.\(key)rangeEnd\": \(broadcast) is the subnet's broadcast address "
          + "and is not handed out"
      }
    }
  }
}
