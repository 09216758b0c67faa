public import CNI
import Foundation

extension Lab {
  /// The last container's namespace, with the far end of the master link.
  public var outside: String { container(containerCount) }

  /// Creates a link `m0` on the host, whose peer is `eth0` in `outside`: a neighbour with these addresses.
  public func addMaster(_ addresses: [String] = ["10.77.0.1/24", "fd77::1/64"]) throws {
    try shell("ip link add m0 type veth peer name eth0 netns \(path(outside)) && ip link set m0 up", in: host)
    let adding = addresses.map { "ip address add \($0) dev eth0\($0.contains(":") ? " nodad" : "")" }
    try shell((["ip link set lo up", "ip link set eth0 up"] + adding).joined(separator: "\n"), in: outside)
  }

  /// The configuration of a network `net` with links on the parent `m0`; see `bridge` for the other parameters.
  public func upper(
    _ type: String, _ keys: String = "{}", subnets: [String] = ["10.77.0.0/24", "fd77::/64"], ipam: String = "{}"
  ) throws -> JSONValue {
    try bridge("{}", subnets: subnets, ipam: ipam).without("bridge").with("type", .string(type))
      .with("master", .string("m0")).merging(try JSONValue(json: keys))
  }

  /// The frames that arrive at `eth0` in `outside` while `body` runs, one line per frame.
  ///
  /// A line has the VLAN or `-`, the type of the frame, its source and its destination: `10 icmp 10.77.0.2 10.77.0.1`, `-
  /// arp 10.77.0.2 10.77.0.2`, `- na fd77::2 ff02::1`. The type is `other` if it is not known here.
  public func capturedOutside(while body: () throws -> Void) throws -> [String] {
    try captured(on: "eth0", in: outside, while: body)
  }

  /// The frames that arrive at any link, in the same form.
  public func captured(on link: String, in namespace: String, while body: () throws -> Void) throws -> [String] {
    let program = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "wire.py").path()
    let files = "\(directory)/wire"
    try shell(
      """
      mkdir -p \(files) && mkfifo \(files)/ready
      python3 -BIS \(program) \(link) \(files)/ready > \(files)/heard 2> \(files)/errors < /dev/null &
      echo $! > \(files)/listener
      read _ < \(files)/ready
      """, in: namespace)
    defer { try? FileManager.default.removeItem(atPath: files) }
    do { try body() } catch {
      _ = try? shell("kill $(cat \(files)/listener)")  // report the error of `body`
      throw error
    }
    // Other threads of the kernel deliver the frames, so the last one arrives a moment later.
    let received = try shell(
      """
      sleep 0.5
      kill $(cat \(files)/listener)
      cat \(files)/errors >&2
      cat \(files)/heard
      test ! -s \(files)/errors
      """)
    return received.split(separator: "\n").map(String.init)
  }

  /// Returns those of the pings that are answered, all sent at the same time: `1 > 10.77.0.3` is one from container 1.
  ///
  /// It uses the shell, because Python takes seconds to start on an emulated processor.
  public func answered(_ wanted: [String]) throws -> [String] {
    let asking = wanted.enumerated().map { index, text in
      let parts = text.split(separator: " ")
      let ping = "nsenter --net=\(path("\(name)-c\(parts[0])")) ping -nq -c3 -i0.4 -W1 \(parts[2])"
      return "{ if \(ping) > /dev/null 2>&1; then echo \(index); fi; } &"
    }
    let output = try shell((asking + ["wait"]).joined(separator: "\n"))
    let received = Set(output.split(separator: "\n").compactMap { Int($0) })
    return wanted.indices.filter(received.contains).map { wanted[$0] }
  }
}
