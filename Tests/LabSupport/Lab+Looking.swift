public import CNI
import Foundation

extension Lab {
  /// A link as `ip -d link` shows it; `nil` if there is none.
  public func link(_ name: String, in namespace: String) throws -> JSONValue? {
    let found = try json("ip -j -d link show dev \(name) 2>/dev/null || true", in: namespace)
    return found.array?.first
  }

  /// The names of all links except `lo`, sorted.
  public func linkNames(in namespace: String) throws -> [String] {
    try json("ip -j link", in: namespace).list("").compactMap { $0.text("ifname") }.filter { $0 != "lo" }.sorted()
  }

  /// Addresses with their prefix lengths, without those of scope link.
  public func addresses(of link: String, in namespace: String) throws -> [String] {
    try json("ip -j addr show dev \(link)", in: namespace).list("0.addr_info")
      .filter { $0.text("scope") != "link" }
      .compactMap { info in info.text("local").flatMap { local in info.text("prefixlen").map { "\(local)/\($0)" } } }
      .sorted()
  }

  /// The routes of a table, without the link-local and multicast routes of IPv6.
  public func routes(_ family: IPFamilyFlag, table: String = "main", in namespace: String) throws -> [JSONValue] {
    try json("ip -j -d \(family.rawValue) route show table \(table)", in: namespace).list("")
      .filter { $0.text("dst")?.hasPrefix("fe80") != true && $0.text("type") != "multicast" }
  }

  /// The route to exactly `destination`; `default` is the default route.
  public func route(
    _ destination: String, _ family: IPFamilyFlag = .v4, table: String = "main", in namespace: String
  ) throws -> JSONValue? {
    try routes(family, table: table, in: namespace).first { $0.text("dst") == destination }
  }

  /// The value of a sysctl, such as `net/ipv4/ip_forward`.
  public func sysctl(_ key: String, in namespace: String) throws -> String {
    try shell("cat /proc/sys/\(key)", in: namespace).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// The names of the lease files of network `network`, sorted.
  public func leases(of network: String = "net") throws -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(dataDir)/\(network)")) ?? []
    return names.filter(Self.isLease).sorted()
  }

  public static func isLease(_ name: String) -> Bool {
    name.contains { $0 == "." || $0 == ":" } && name.allSatisfy { $0.isHexDigit || $0 == "." || $0 == ":" }
  }

  public enum IPFamilyFlag: String, CaseIterable, Sendable {
    case v4 = "-4"
    case v6 = "-6"
  }
}
