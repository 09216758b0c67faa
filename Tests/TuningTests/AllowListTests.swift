import CNI
import TestSupport
import Testing
@testable import tuning

@Suite struct AllowListTests {
  /// Whether the list allows the names; `nil`: there is no list.
  private func allows(_ list: String?, _ names: [String]) throws -> Bool {
    try Fixture.use { (fixture) throws in
      if let list { try fixture.allow(list) }
      do {
        try AllowList(at: fixture.allowListPath).check(names.compactMap(SysctlName.init))
        return true
      } catch let error as CNIError {
        #expect(error.code == .invalidNetworkConfig)
        #expect(error.message.contains(names[names.count - 1]) && error.message.contains(fixture.allowListPath))
        return false
      }
    }
  }

  static let lists: [(String?, [String], Bool)] = [
    (nil, ["net.ipv4.ip_forward"], true),
    ("", ["net.ipv4.ip_forward"], false),
    (" \n\t\r\n", ["net.ipv4.ip_forward"], false),
    ("net.ipv4.ip_forward", ["net.ipv4.ip_forward"], true),
    ("^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$\r\n", ["net.ipv4.conf.IFNAME.arp_notify"], true),
    ("^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$", ["net/ipv4/conf/IFNAME/arp_notify"], true),
    ("^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$", ["net.ipv4.conf.eth0.arp_notify"], false),
    ("^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$", ["net.ipv4.conf.IFNAME.arp_notify", "net.core.somaxconn"], false),
    ("  ^net.core.somaxconn$  \n\n^net/ipv4/.*", ["net.core.somaxconn", "net/ipv4/ip_forward"], true),
    ("(core|ipv6)", ["net.core.somaxconn"], true),
    ("^net\\.(core|ipv6)\\.[[:alnum:]]{9}$", ["net.core.somaxconn"], true),
    ("# net.ipv4.ip_forward", ["net.ipv4.ip_forward"], false),
  ]

  @Test(arguments: lists)
  func `a sysctl is allowed if a line of the list matches`(list: String?, names: [String], isAllowed: Bool) throws {
    #expect(try allows(list, names) == isAllowed)
  }

  @Test(arguments: [
    ("net.ipv4.[a-", "pattern net.ipv4.[a-"), ("(net", "pattern (net"), ("^net\\.\\d+", "pattern ^net\\.\\d+: \\d"),
    ("[^\\w]", "\\w"), ("(?:net)", "pattern (?:net)"),
  ])
  func `a line that is not a POSIX extended regular expression is refused`(line: String, fragment: String) throws {
    try Fixture.use { (fixture) throws in
      try fixture.allow("\(line)\nnet")
      #expect {
        try AllowList(at: fixture.allowListPath).check([SysctlName("net.core.somaxconn")].compactMap(\.self))
      } throws: {
        guard let error = $0 as? CNIError else { return false }
        return error.code == .invalidNetworkConfig && error.message.contains(fragment)
      }
    }
  }

  @Test func `ADD and STATUS check the allow list only if a sysctl is configured`() throws {
    try Fixture.use { (fixture) throws in
      try fixture.allow("^net.core")
      let json = #"{"sysctl": {"net.ipv4.ip_forward": "1"}}"#
      let before = fixture.kernel.state
      #expect(throws: CNIError.self) { try fixture.add(json) }
      #expect(throws: CNIError.self) { try fixture.add(#"{"args": {"cni": \#(json)}}"#) }
      #expect(fixture.kernel.state == before)
      #expect(try fixture.obstacle(json)?.code == .notAvailable)
      try fixture.allow("(")
      try fixture.add(#"{"mtu": 1400}"#)
      #expect(try fixture.obstacle(#"{"mtu": 1400}"#) == nil)
    }
  }
}
