import CNI
import Names
import NetTypes
import Testing

@Suite struct ResolvConfTests {
  static let previous = DNS(nameservers: ["10.4.0.1"], domain: "four", search: [], options: ["rotate"])

  @Test(
    arguments: [
      (#"{}"#, "nameserver 10.4.0.1\ndomain four\noptions rotate\n"),
      (#"{"dns": {"nameservers": ["10.3.0.1"]}}"#, "nameserver 10.3.0.1\ndomain four\noptions rotate\n"),
      (
        #"{"args": {"cni": {"dns": {"search": ["two"]}}}, "dns": {"search": ["three"], "domain": "x"}}"#,
        "nameserver 10.4.0.1\nsearch two\noptions rotate\n"
      ),
      (
        #"{"runtimeConfig": {"dns": {"Servers": ["10.1.0.1"], "Searches": ["one", "b.one."], "Options": null}}}"#,
        "nameserver 10.1.0.1\nsearch one b.one.\noptions rotate\n"
      ),
      (
        #"{"runtimeConfig": {"dns": {"options": ["ndots:5", "trust-ad"]}}, "args": {"cni": {"dns": {"nameservers": ["10.2.0.1"]}}}}"#,
        "nameserver 10.2.0.1\ndomain four\noptions ndots:5 trust-ad\n"
      ),
      (#"{"dns": {"search": ["."]}}"#, "nameserver 10.4.0.1\nsearch .\noptions rotate\n"),
      (
        #"{"dns": {"nameservers": ["fe80::1%eth0", "10.3.0.1"]}}"#, "nameserver 10.3.0.1\ndomain four\noptions rotate\n"
      ),
    ])
  func `DNS settings come from runtimeConfig, args.cni, dns or prevResult in this order`(json: String, expected: String)
    throws
  {
    let keys = try CNIJSON.decode(RuntimeKeys.self, from: Array(json.utf8))
    var notes: [String] = []
    let entries = try keys.partialResolvConf(previous: Self.previous, notes: &notes)
    let file = ResolvConf(
      [entries], host: PartialResolvConf(host: "nameserver 9.9.9.9\nsearch host"), hasIPv6: false, notes: &notes)
    #expect(file.text == ResolvConf.header + expected)
    #expect(notes.count == (json.contains("%") ? 1 : 0))
  }

  @Test(
    arguments: [
      (#"{"dns": {"nameservers": ["one.one"]}}"#, #"key "dns.nameservers": "one.one": want an IPv4 or IPv6 address"#),
      (#"{"dns": {"nameservers": ["1.1.1.1%eth0"]}}"#, #"key "dns.nameservers": "1.1.1.1%eth0": want"#),
      (#"{"runtimeConfig": {"dns": {"Servers": ["8.8.8.8\nsearch x"]}}}"#, #"key "runtimeConfig.dns.nameservers""#),
      (#"{"args": {"cni": {"dns": {"search": ["a b"]}}}}"#, #"key "args.cni.dns.search": "a b": want a domain"#),
      (#"{"dns": {"search": ["a#b"]}}"#, #"key "dns.search": "a#b": want a domain"#),
      (#"{"dns": {"domain": "-x"}}"#, #"key "dns.domain": "-x": want a domain"#),
      (#"{"dns": {"options": ["ndots: 5"]}}"#, #"key "dns.options": "ndots: 5": want a word"#),
      (#"{"dns": {"options": [""]}}"#, #"key "dns.options": "": want a word"#),
      (##"{"dns": {"options": ["#x"]}}"##, ##"key "dns.options": "#x": want a word"##),
    ])
  func `a value that is not one word in resolv.conf is refused`(json: String, message: String) throws {
    let keys = try CNIJSON.decode(RuntimeKeys.self, from: Array(json.utf8))
    var notes: [String] = []
    let error = #expect(throws: CNIError.self) { _ = try keys.partialResolvConf(previous: DNS(), notes: &notes) }
    #expect(error?.code == .invalidNetworkConfig)
    #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
  }

  @Test func `unusable lines of the host's resolv.conf are left out`() {
    let text = """
      # nameserver 1.1.1.1
      nameserver 127.0.0.53
      nameserver ::1
      nameserver fe80::1%eth0
      nameserver nonsense
      nameserver 10.0.0.2
      search good.example bad..example
      options edns0 trust-ad
      """
    #expect(
      PartialResolvConf(host: text)
        == PartialResolvConf(
          nameservers: [address("10.0.0.2")], search: [SearchDomain("good.example")].compactMap(\.self),
          options: ["edns0", "trust-ad"].compactMap(ResolverOption.init)))
  }

  @Test func `settings of several attachments are merged in the order of their ADDs`() {
    let allEntries = [
      entries(["10.1.0.1", "10.1.0.2"], "one", [], ["ndots:1"]), entries([], nil, [], []),
      entries(["10.2.0.1", "10.1.0.1", "10.2.0.2"], nil, ["two", "one"], ["ndots:5", "rotate"]),
    ]
    var notes: [String] = []
    let file = ResolvConf(allEntries, host: entries(["9.9.9.9"], nil, ["host"], []), hasIPv6: true, notes: &notes)
    #expect(
      file.text == ResolvConf.header
        + "nameserver 10.1.0.1\nnameserver 10.1.0.2\nnameserver 10.2.0.1\nsearch one two\noptions ndots:1 rotate\n")
    #expect(notes == ["name server 10.2.0.2 is left out: a resolver asks at most 3"])
    #expect(
      file.dns
        == DNS(
          nameservers: ["10.1.0.1", "10.1.0.2", "10.2.0.1"], search: ["one", "two"], options: ["ndots:1", "rotate"]))
  }

  @Test func `an IPv6 name server is left out if the container has no IPv6 address`() {
    var notes: [String] = []
    let wanted = [entries(["2001:db8::53"], nil, [], [])]
    #expect(ResolvConf(wanted, host: PartialResolvConf(), hasIPv6: false, notes: &notes).text == ResolvConf.header)
    #expect(
      notes == [
        "name server 2001:db8::53 is left out: the container has no IPv6 address",
        "no name server is configured: resolv.conf has none",
      ])
    notes = []
    let file = ResolvConf(wanted, host: PartialResolvConf(), hasIPv6: true, notes: &notes)
    #expect(file.text == ResolvConf.header + "nameserver 2001:db8::53\n")
    #expect(notes.isEmpty)
  }

  @Test func `search lists are cut at 32 domains and 2048 bytes`() {
    var notes: [String] = []
    let many = entries([], nil, (0..<40).map { "d\($0)" }, [])
    #expect(ResolvConf([many], host: PartialResolvConf(), hasIPv6: true, notes: &notes).search.count == 32)
    let label = String(repeating: "x", count: 60)
    let long = entries([], nil, (0..<12).map { "\(label).\(label).\(label).d\($0)" }, [])
    let line = ResolvConf([long], host: PartialResolvConf(), hasIPv6: true, notes: &notes).search
    #expect(line.count == 10)
    #expect(notes.filter { $0.hasPrefix("search: ") }.count == 2)
  }

  @Test func `DNS settings are read back as written`() throws {
    let entries = entries(["10.1.0.1", "fd00::1"], "one", ["two.", "."], ["ndots:5"])
    #expect(try CNIJSON.decode(PartialResolvConf.self, from: entries.json.bytes) == entries)
    #expect(try CNIJSON.decode(PartialResolvConf.self, from: Array("{}".utf8)) == PartialResolvConf())
  }

  private func entries(_ servers: [String], _ domain: String?, _ search: [String], _ options: [String])
    -> PartialResolvConf
  {
    PartialResolvConf(
      nameservers: servers.map(address), domain: domain.flatMap(SearchDomain.init),
      search: search.compactMap(SearchDomain.init), options: options.compactMap(ResolverOption.init))
  }

  private func address(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(v4: 0) }
}
