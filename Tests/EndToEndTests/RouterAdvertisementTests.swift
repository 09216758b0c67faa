import CNI
import Foundation
import LabSupport
import Testing

/// A host with a default route from a router advertisement.
@Suite(.needsRoot)
struct RouterAdvertisementTests {
  @Test(arguments: ["bridge", "ptp"])
  func `a host keeps its default route from a router advertisement and accepts later ones`(plugin: String) throws {
    try Lab.use(containers: 2) { lab in
      try lab.addRouter()
      #expect(try lab.advertise(seconds: 1800, until: true))
      let config = try lab.network(plugin)
      let result = try lab.add(config, plugin: plugin).result()
      #expect(try lab.sysctl("net/ipv6/conf/all/forwarding", in: lab.host) == "1")
      #expect(try lab.sysctl("net/ipv6/conf/up0/accept_ra", in: lab.host) == "2")
      #expect(try lab.hasAdvertisedRoute())
      // A lifetime of 0 removes the route, so the host still accepts advertisements.
      #expect(try lab.advertise(seconds: 0, until: false))
      #expect(try lab.advertise(seconds: 1800, until: true))
      #expect(try lab.check(config, result, plugin: plugin).isSuccess)
      #expect(try lab.delete(config, plugin: plugin).isSuccess)
      #expect(try lab.hasAdvertisedRoute())
    }
  }

  @Test(arguments: ["bridge", "ptp"])
  func `a failed ADD leaves forwarding and accept_ra unchanged`(plugin: String) throws {
    try Lab.use(containers: 2) { lab in
      try lab.addRouter()
      #expect(try lab.advertise(seconds: 1800, until: true))
      let broken = try lab.network(plugin, ipam: #"{"routes": [{"dst": "fd09::/16", "gw": "ff02::1"}]}"#)
      #expect(try !lab.add(broken, plugin: plugin).isSuccess)
      #expect(try lab.sysctl("net/ipv6/conf/all/forwarding", in: lab.host) == "0")
      #expect(try lab.sysctl("net/ipv6/conf/up0/accept_ra", in: lab.host) == "1")
      #expect(try lab.hasAdvertisedRoute())
    }
  }

  @Test func `accept_ra stays 0 if a daemon handles router advertisements`() throws {
    try Lab.use(containers: 2) { lab in
      try lab.addRouter()
      try lab.shell(
        "echo 0 > /proc/sys/net/ipv6/conf/up0/accept_ra; ip -6 route add default via fe80::1 dev up0 proto ra",
        in: lab.host)
      _ = try lab.add(try lab.network("bridge")).result()
      #expect(try lab.sysctl("net/ipv6/conf/up0/accept_ra", in: lab.host) == "0")
      #expect(try lab.hasAdvertisedRoute())
    }
  }
}

extension Lab {
  /// Makes the last container a router on the host's link `up0`.
  fileprivate func addRouter() throws {
    let router = container(containerCount)
    try shell(
      """
      ip link add up0 type veth peer name eth0 netns \(router)
      echo 1 > /proc/sys/net/ipv6/conf/up0/accept_ra
      echo 0 > /proc/sys/net/ipv6/conf/up0/accept_dad
      ip link set up0 up
      """, in: host)
    try shell("echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad; ip link set eth0 up", in: router)
  }

  fileprivate func network(_ plugin: String, ipam: String = "{}") throws -> JSONValue {
    let keys = plugin == "bridge" ? #"{"isGateway": true}"# : #"{"type": "ptp"}"#
    return try bridge(keys, subnets: ["fd77::/64"], ipam: ipam)
  }

  fileprivate func hasAdvertisedRoute() throws -> Bool {
    try !shell("ip -6 route show default proto ra dev up0", in: host).isEmpty
  }

  /// Sends advertisements with this lifetime until the host has a default route from them, or has none.
  fileprivate func advertise(seconds: Int, until isThere: Bool) throws -> Bool {
    let program = """
      from socket import *
      from struct import pack
      sender = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)
      sender.setsockopt(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 255)
      sender.sendto(pack("!BBHBBHII", 134, 0, 0, 64, 0, \(seconds), 0, 0), ("ff02::1", 0, 0, if_nametoindex("eth0")))
      """
    for _ in 0..<100 {
      let sent = try run("/usr/bin/python3", ["-c", program], in: container(containerCount))
      if sent.isSuccess, try hasAdvertisedRoute() == isThere { return true }
      Thread.sleep(forTimeInterval: 0.05)
    }
    return false
  }
}
