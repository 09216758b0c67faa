import Foundation
import Linux
import TestSupport

/// A container with 10.1.0.2, 10.2.0.2 and 10.3.0.2 on bridge `br0` of a new host, which has 10.N.0.1.
struct NftablesContainer {
  /// The path of the container's namespace, valid for other processes too.
  let namespace: String

  /// The output of a script; `$container` is the path of the namespace.
  @discardableResult
  func shell(_ script: String) throws -> String {
    try run("/bin/bash", ["-euc", "container=\(namespace)\n\(script)"])
  }

  /// The container's address that a connection from the host to `address` reaches; empty if it fails.
  func tcp(to address: String, _ port: Int, serving: Int) throws -> String {
    try python(
      """
      enter(container)
      server = socket()
      server.bind(("", \(serving)))
      server.listen()
      enter(host)
      try:
          near = create_connection(("\(address)", \(port)), 0.5)
          far, peer = server.accept()
          far.sendall(far.getsockname()[0].encode())
          print(near.recv(99).decode(), end="")
      except OSError: pass
      """)
  }

  /// Whether a datagram from the container to 127.0.0.1 reaches a server on the host.
  func reachesLoopback() throws -> Bool {
    try python(
      """
      server = socket(AF_INET, SOCK_DGRAM)
      server.bind(("127.0.0.1", 5353))
      server.settimeout(0.5)
      enter(container)
      socket(AF_INET, SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 5353))
      try: print(server.recv(1).decode(), end="")
      except OSError: pass
      """) == "x"
  }

  /// Whether a server on the host at this address is reached from `container` or `host`.
  func hears(_ address: String, _ port: Int, isUDP: Bool, from sender: String) throws -> Bool {
    try python(
      """
      server = socket(AF_INET, SOCK_DGRAM) if \(isUDP ? 1 : 0) else socket()
      server.bind(("\(address)", \(port)))
      server.settimeout(0.5)
      if not \(isUDP ? 1 : 0): server.listen()
      enter(\(sender))
      try:
          if \(isUDP ? 1 : 0):
              socket(AF_INET, SOCK_DGRAM).sendto(b"x", ("\(address)", \(port)))
              server.recv(1)
          else: create_connection(("\(address)", \(port)), 0.5)
          print("x", end="")
      except OSError: pass
      """) == "x"
  }

  private func python(_ program: String) throws -> String {
    let start = """
      from ctypes import CDLL
      from socket import AF_INET, SOCK_DGRAM, create_connection, socket
      from os import open as open_file
      host, container = open_file("/proc/thread-self/ns/net", 0), open_file("\(namespace)", 0)
      def enter(namespace):
          if CDLL(None).setns(namespace, 0x40000000): raise SystemExit("setns")

      """
    return try run("/usr/bin/python3", ["-c", start + program])
  }

  private func run(_ program: String, _ arguments: [String]) throws -> String {
    let answer = try ChildProcess.run(
      program, arguments, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"], input: [], seconds: 20)
    guard answer.status == 0 else { throw NftRefused(text: String(decoding: answer.errors, as: UTF8.self)) }
    return String(decoding: answer.output, as: UTF8.self)
  }
}

/// Runs `body` with a container on the bridge of a forwarding host that has rules of other programs.
func withContainer<Value: Sendable>(
  _ body: @escaping @Sendable (NftablesContainer) throws -> Value
) throws -> Value {
  try onHost { path in
    let container = NftablesContainer(
      namespace: path.replacingOccurrences(of: "/self/", with: "/\(ProcessInfo.processInfo.processIdentifier)/"))
    try container.shell(
      """
      ip link set lo up
      sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
      ip link add br0 type bridge
      ip link add veth0 master br0 type veth peer name eth0
      ip link set eth0 netns "$container"
      ip link set br0 up
      ip link set veth0 up
      sysctl -qw net.ipv4.conf.br0.route_localnet=1
      inside() { nsenter --net="$container" "$@"; }
      inside ip link set lo up
      inside ip link set eth0 up
      for net in 1 2 3; do
        ip address add 10.$net.0.1/24 dev br0
        inside ip address add 10.$net.0.2/24 dev eth0
      done
      inside ip route add default via 10.1.0.1
      """)
    return try body(container)
  }
}
