public import CNI
import Foundation

extension Lab {
  /// The last container's namespace: what a master's far end is in.
  public var outside: String { container(containerCount) }

  /// Gives the host a link `m0` that is up, whose far end is `eth0` outside: a neighbour with the first addresses.
  public func layMaster(_ addresses: [String] = ["10.77.0.1/24", "fd77::1/64"]) throws {
    try shell("ip link add m0 type veth peer name eth0 netns \(path(outside)) && ip link set m0 up", in: host)
    let adding = addresses.map { "ip address add \($0) dev eth0\($0.contains(":") ? " nodad" : "")" }
    try shell((["ip link set lo up", "ip link set eth0 up"] + adding).joined(separator: "\n"), in: outside)
  }

  /// A network `net` of links on top of `m0`; see `bridge` for the rest.
  public func upper(
    _ type: String, _ keys: String = "{}", subnets: [String] = ["10.77.0.0/24", "fd77::/64"], ipam: String = "{}"
  ) throws -> JSONValue {
    try bridge("{}", subnets: subnets, ipam: ipam).without("bridge").with("type", .string(type))
      .with("master", .string("m0")).merging(try JSONValue(json: keys))
  }

  /// What arrives at `eth0` outside while `body` runs, a line for each frame: its VLAN or `-`, what it is, from where,
  /// to where.
  ///
  /// `10 icmp 10.77.0.2 10.77.0.1`, `- arp 10.77.0.2 10.77.0.2`, `- na fd77::2 ff02::1`; `other` for what is none of
  /// these.
  public func heardOutside(while body: () throws -> Void) throws -> [String] {
    try heard(on: "eth0", in: outside, while: body)
  }

  /// The same of any link.
  public func heard(on link: String, in namespace: String, while body: () throws -> Void) throws -> [String] {
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
      _ = try? shell("kill $(cat \(files)/listener)")  // what went wrong in `body` is to be told
      throw error
    }
    // Frames are handed over by other threads of the kernel: a moment after the last they are all there.
    let heard = try shell(
      """
      sleep 0.5
      kill $(cat \(files)/listener)
      cat \(files)/errors >&2
      cat \(files)/heard
      test ! -s \(files)/errors
      """)
    return heard.split(separator: "\n").map(String.init)
  }

  /// Which of these pings are answered, all sent at once: `1 > 10.77.0.3` is one from container 1.
  ///
  /// With the shell's means: where the processor is emulated, a Python takes seconds to start.
  public func answered(_ wanted: [String]) throws -> [String] {
    let asking = wanted.enumerated().map { index, text in
      let parts = text.split(separator: " ")
      let ping = "nsenter --net=\(path("\(name)-c\(parts[0])")) ping -nq -c3 -i0.4 -W1 \(parts[2])"
      return "{ if \(ping) > /dev/null 2>&1; then echo \(index); fi; } &"
    }
    let told = try shell((asking + ["wait"]).joined(separator: "\n"))
    let heard = Set(told.split(separator: "\n").compactMap { Int($0) })
    return wanted.indices.filter(heard.contains).map { wanted[$0] }
  }
}
