import CNI
import LabSupport
import Testing

/// The reference's `ptp` with the same configuration.
@Suite(.needsRoot)
struct ReferenceTests {
  /// The state of an attachment, with placeholders for the names and MAC addresses of links, which may differ.
  private struct Attachment {
    var result: JSONValue
    /// The routes, by `NAMESPACE FAMILY destination`.
    var routes: [String: JSONValue] = [:]
    var addresses: [String]

    init(_ lab: Lab, _ config: JSONValue, by directory: String) throws {
      var call = lab.call("ADD", config, on: 1, plugin: "ptp")
      call.directory = directory
      let result = try lab.run(call).result()
      let end = result.text("interfaces.0.name") ?? ""
      // Before 0.3.0 a result has no interfaces.
      let name = end.isEmpty ? try #require(lab.linkNames(in: lab.host).first) : end
      self.result = Attachment.shape(result)
      addresses =
        try lab.addresses(of: name, in: lab.host) + lab.addresses(of: "eth0", in: lab.container(1))
      for (netns, namespace) in [("host", lab.host), ("container", lab.container(1))] {
        for family in Lab.IPFamilyFlag.allCases {
          for route in try lab.routes(family, in: namespace) {
            let key = "\(netns) \(family) \(route.text("dst") ?? "")"
            #expect(routes[key] == nil, "one route to each destination")
            routes[key] = route.with("dev", .string(netns)).without("flags")
          }
        }
      }
      call.command = "DEL"
      try lab.run(call).requireSuccess()
    }

    /// The result with placeholders for every name, MAC address and MTU.
    private static func shape(_ result: JSONValue) -> JSONValue {
      let interfaces = result.list("interfaces").map { interface in
        JSONValue.object((interface.object ?? [:]).filter { $0.key != "mtu" })
          .with("mac", "MAC").with("name", .string(interface.text("name") == "eth0" ? "eth0" : "HOST"))
      }
      return interfaces.isEmpty ? result : result.with("interfaces", .array(interfaces))
    }
  }

  // Debian's plugins support no version after 1.0.0.
  @Test(arguments: SpecVersion.allCases.filter { $0 <= .v1_0_0 })
  func `result, routes and addresses equal the reference plugin's`(version: SpecVersion) throws {
    try Lab.use { lab in
      // Without DAD, so that the reference's IPv6 addresses are not tentative either.
      try lab.shell("echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad", in: lab.container(1))
      var config = try lab.ptp("{}", .dual, version: version)
      config = config.with("dns", .object(["nameservers": .array(["192.0.2.53"])]))
      let ours = try Attachment(lab, config, by: Binaries.ours)
      // Remove the leases, so that host-local assigns the same addresses again.
      try lab.shell("rm -rf \(lab.dataDir)")
      let theirs = try Attachment(lab, config, by: Binaries.reference)
      #expect(ours.result == theirs.result)
      #expect(ours.addresses == theirs.addresses)
      // For an IPv6 address with /128 the kernel adds a useless route; our plugin tells it not to.
      #expect(Set(ours.routes.keys).union(["host v6 fd78::1"]) == Set(theirs.routes.keys))
      #expect(ours.routes.count == 8)
      for (key, route) in ours.routes {
        var expected = try #require(theirs.routes[key])
        // The reference's route on the host has scope host, as if the container's address were the host's. Ours has
        // scope link, the default of `ip route add` for such routes.
        if key.hasPrefix("host v4"), !key.hasSuffix("default") { expected = expected.with("scope", "link") }
        #expect(route == expected, "\(key)")
      }
    }
  }

  @Test(arguments: [true, false])
  func `each implementation removes the other's attachment`(isOursFirst: Bool) throws {
    try Lab.use { lab in
      let config = try lab.ptp("{}", .dual, version: .v1_0_0)
      var call = lab.call("ADD", config, on: 1, plugin: "ptp")
      call.directory = isOursFirst ? Binaries.ours : Binaries.reference
      let result = try lab.run(call).result()
      call.command = "DEL"
      call.config = config.with("prevResult", result).line
      call.directory = isOursFirst ? Binaries.reference : Binaries.ours
      try lab.run(call).requireSuccess()
      #expect(try lab.linkNames(in: lab.host) == [])
      #expect(try lab.linkNames(in: lab.container(1)) == [])
      #expect(try lab.leases(of: "\(lab.name)-p") == [])
    }
  }
}
