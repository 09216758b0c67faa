public import CNI
public import NetTypes

/// A port of the host that leads to one of the container's, as an operator writes it: `127.0.0.1:8080:80/tcp`.
public struct PortMapping: Equatable, Sendable {
  public static let expectedForm =
    "[HOSTIP:]HOSTPORT:PORT[/tcp|udp|sctp], ports from 1 to 65535, ranges as 8000-8010:80-90"

  public var hostAddress: IPAddress?
  public var hostPort: Int
  public var containerPort: Int
  public var transport: String

  public init(hostAddress: IPAddress? = nil, hostPort: Int, containerPort: Int, transport: String = "tcp") {
    self.hostAddress = hostAddress
    self.hostPort = hostPort
    self.containerPort = containerPort
    self.transport = transport
  }

  /// One mapping for each port of a range; `nil` for anything else.
  public static func parse(_ text: String) -> [PortMapping]? {
    let halves = text.split(separator: "/", omittingEmptySubsequences: false)
    let transport = halves.count == 2 ? halves[1].lowercased() : "tcp"
    guard (1...2).contains(halves.count), ["tcp", "udp", "sctp"].contains(transport) else { return nil }
    var parts = halves[0].split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count >= 2, let containerPorts = ports(parts.removeLast()), let hostPorts = ports(parts.removeLast()),
      containerPorts.count == hostPorts.count
    else { return nil }
    var address: IPAddress?
    if !parts.isEmpty {
      var host = parts.joined(separator: ":")
      if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
      guard let given = IPAddress(host) else { return nil }
      address = given
    }
    return zip(hostPorts, containerPorts).map {
      PortMapping(hostAddress: address, hostPort: $0, containerPort: $1, transport: transport)
    }
  }

  private static func ports(_ text: String) -> ClosedRange<Int>? {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    guard let first = ends.first, let last = ends.last, ends.count <= 2, (1...65535).contains(first),
      (first...65535).contains(last)
    else { return nil }
    return first...last
  }

  /// As the capability `portMappings` takes it.
  public var json: JSONValue {
    .record([
      "hostIP": .text(hostAddress), "hostPort": .number(hostPort), "containerPort": .number(containerPort),
      "protocol": .text(transport),
    ])
  }
}
