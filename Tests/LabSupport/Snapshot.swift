import CNI
import Foundation
public import Testing

/// Everything that plugins change on a host and in its containers, as lines of text.
public struct Snapshot {
  private var lines: Set<String>

  /// The lines that are new or missing compared to `older`.
  public func changes(since older: Snapshot) -> [String] {
    lines.subtracting(older.lines).sorted().map { "+ \($0)" }
      + older.lines.subtracting(lines).sorted().map { "- \($0)" }
  }

  public init(of lab: Lab) throws {
    lines = []
    for namespace in [lab.host] + (0..<lab.containerCount).map({ lab.container($0 + 1) }) {
      let place = namespace.dropFirst(lab.name.count + 1)
      lines.formUnion(try Snapshot.network(of: lab, namespace).map { "\(place) \($0)" })
    }
    lines.formUnion(try Snapshot.leases(of: lab))
  }

  private static func network(of lab: Lab, _ namespace: String) throws -> [String] {
    let script = """
      ip -j -d link; echo
      ip -j addr; echo
      ip -j -4 route show table all; echo
      ip -j -6 route show table all; echo
      ip -j neigh show nud permanent; echo
      grep . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
      """
    var parts = try lab.shell(script, in: namespace).split(separator: "\n").map(String.init)
    let settings = parts.filter { $0.hasPrefix("/proc") }
    parts.removeAll { $0.hasPrefix("/proc") }
    let documents = try parts.map { try JSONValue(json: $0) }
    // Some empty lists are printed as nothing, so the members of an object show from which command it is.
    return settings + documents.flatMap { $0.array ?? [] }.flatMap(lines)
  }

  private static func lines(_ object: JSONValue) -> [String] {
    let name = object.text("ifname") ?? ""
    if let addresses = object.at("addr_info")?.array {
      return addresses.filter { $0.text("scope") != "link" }
        .map { "address \(name) \($0.text("local") ?? "")/\($0.text("prefixlen") ?? "")" }
    }
    if object.at("ifindex") != nil { return leaves(steady(object), at: "link \(name)") }
    let destination = object.text("dst") ?? ""
    if destination.hasPrefix("fe80") || destination.hasPrefix("ff00") { return [] }
    // The kernel adds the local route of an IPv6 address some time after the address, even if it skips DAD.
    if destination.contains(":"), object.text("type") == "local" { return [] }
    return ["route \(steady(object).line)"]
  }

  /// One line for each scalar and list, so that a difference shows only what differs.
  private static func leaves(_ value: JSONValue, at path: String) -> [String] {
    guard let members = value.object else { return ["\(path) \(value.line)"] }
    return members.flatMap { leaves($1, at: "\(path) \($0)") }
  }

  /// The value without members that change by themselves.
  private static func steady(_ value: JSONValue) -> JSONValue {
    guard let members = value.object else { return value }
    let changing = ["operstate", "flags", "linkmode", "inet6_addr_gen_mode", "tso_max_size", "qdisc"]
    var kept = members.filter { key, _ in !changing.contains(key) && !key.contains("timer") && !key.contains("topology")
    }
    .mapValues(steady)
    let flags = members["flags"]?.array?.filter { ["UP", "PROMISC"].contains($0.string) } ?? []
    if !flags.isEmpty { kept["flags"] = .array(flags) }
    return .object(kept)
  }

  private static func leases(of lab: Lab) throws -> [String] {
    guard let files = FileManager.default.enumerator(atPath: lab.dataDir) else { return [] }
    let staying = ["lock", "last_reserved_ip.0", "last_reserved_ip.1"]
    return files.compactMap { $0 as? String }
      .filter { $0.contains("/") && !staying.contains(($0 as NSString).lastPathComponent) }
      .map { ($0, (try? String(contentsOfFile: "\(lab.dataDir)/\($0)", encoding: .utf8)) ?? "") }
      // A kill may leave a lease without its owner; the next allocation replaces it. DEL finds it only by its attributes,
      // which a tmpfs of Linux < 6.6 does not have.
      .filter { !$0.1.isEmpty }
      .map { "lease \($0.0) \($0.1)" }
  }
}

extension Lab {
  /// Records an issue with all differences.
  public func expectUnchanged(since before: Snapshot, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let changes = try Snapshot(of: self).changes(since: before)
    #expect(changes == [], sourceLocation: sourceLocation)
  }
}
