import CNI
import Names
import NetTypes
import Testing

struct MemberTests {
  @Test func `an attachment has a line for each address and name`() throws {
    let member = Member(
      owner: try Self.owner(), addresses: [try #require(IPAddress("10.1.0.2")), try #require(IPAddress("fd00::2"))],
      names: try Member.names(
        Self.name("web"), network: Self.owner().network, domain: Self.name("example.com"), aliases: []))
    #expect(
      member.lines == [
        "10.1.0.2\tweb", "10.1.0.2\tweb.isolated_nw", "10.1.0.2\tweb.example.com", "fd00::2\tweb",
        "fd00::2\tweb.isolated_nw", "fd00::2\tweb.example.com",
      ])
  }

  @Test(arguments: [
    #"{"addresses":[],"container":"c1","interface":"eth0","names":[],"network":"net"}"#,
    #"{"addresses":["10.1.0.2"],"container":"c1","hosts":{"device":-1,"inode":7,"path":"/x/hosts"},"interface":"eth0","#
      + #""isIncomplete":true,"links":[{"alias":"db","container":"c2"}],"names":["web"],"network":"net","overdue":[],"#
      + #""privateLines":["::1\tme"],"server":{"file":"/x/names","pidFile":"/x/pid"},"#
      + #""services":[{"ips":["10.1.0.250"],"names":["web","web.net"]}]}"#,
    #"{"addresses":[],"container":"c1","interface":"eth0","names":[],"network":"net","server":{"directory":"/x"}}"#,
  ])
  func `the file of an attachment has every member that is set and no other`(text: String) throws {
    #expect(try CNIJSON.decode(Member.self, from: Array(text.utf8)).json.text == text)
  }

  @Test func `the file of a container has the files with their holders`() throws {
    let text =
      #"{"files":[{"file":{"device":1,"inode":2,"path":"/a/c1/hosts"},"holders":[{"interface":"eth0","network":"net"}],"#
      + #""made":{"base":"/a","below":["c1","hosts"],"key":"dir"},"madeDirectories":["/a/c1"]},"#
      + #"{"file":{"device":1,"inode":3,"path":"/b"},"holders":[],"madeDirectories":[]}]}"#
    #expect(try CNIJSON.decode(ContainerRecord.self, from: Array(text.utf8)).json.text == text)
  }

  @Test func `duplicate names are listed once`() throws {
    let names = try Member.names(
      Self.name("web"), network: Self.owner().network, domain: nil,
      aliases: [Self.name("WEB"), Self.name("www"), Self.name("www")])
    #expect(names.map(\.description) == ["web", "web.isolated_nw", "www"])
  }

  @Test func `a name that is too long with its domain is listed without the domain`() throws {
    let long = try Self.name(String(repeating: "a", count: 1020))
    #expect(
      try Member.names(long, network: Self.owner().network, domain: Self.name("example.com"), aliases: []) == [long])
  }

  @Test func `a name that is invalid in DNS is in hosts files only`() throws {
    let long = String(repeating: "a", count: 64)
    let member = Member(
      owner: try Self.owner(), addresses: [try #require(IPAddress("10.1.0.2"))],
      names: [try Self.name("web"), try Self.name(long)])
    #expect(member.lines == ["10.1.0.2\tweb", "10.1.0.2\t\(long)"])
    #expect(member.serverLines == ["10.1.0.2 web"])
  }

  @Test(arguments: [("10.0.0.1", "10-0-0-1"), ("a..b", "a--b"), ("web", "web"), ("a..............", "a")])
  func `a container ID that is not a host name is converted to one`(container: String, name: String) throws {
    #expect(try OwnLines.fallbackName(#require(ContainerID(container)))?.description == name)
  }

  @Test(arguments: [
    (#""db:10.0.0.9""#, ["10.0.0.9\tdb"]), (#""db:fd00::9""#, ["fd00::9\tdb"]),
    (#"{"ip": "10.0.0.9", "hostnames": ["db", "db2"]}"#, ["10.0.0.9\tdb", "10.0.0.9\tdb2"]),
  ])
  func `an extra host is a string or an object`(json: String, lines: [String]) throws {
    #expect(try ExtraHost.read(Self.json(json)).map(\.line) == lines)
  }

  @Test(arguments: [
    #""db""#, #""db:""#, #"":10.0.0.1""#, #""a b:10.0.0.1""#, #""db:10.0.0.1 x""#, #""db:10.0.0.1\n10.0.0.2 y""#, "7",
    #"{"ip": "x", "hostnames": ["a"]}"#, #"{"ip": "10.0.0.1"}"#, #"{"ip": "10.0.0.1", "hostnames": []}"#,
    #"{"ip": "10.0.0.1", "hostnames": ["a#"]}"#,
  ])
  func `an invalid extra host is refused`(json: String) {
    #expect(throws: CNIError.self) { try ExtraHost.read(Self.json(json)) }
  }

  @Test(arguments: [
    ("f2870c98fd504370fb86e59f32cd", "f2870c98fd50"), ("web", "web"), ("0123456789-.abc", "0123456789"),
    ("parent.child", "parent.child"),
  ])
  func `the short name is the first twelve characters`(container: String, short: String) throws {
    #expect(try OwnLines.shortName(#require(ContainerID(container)))?.description == short)
  }

  @Test func `the container's own line has the host name, then the short ID`() throws {
    let id = try #require(ContainerID("f2870c98fd504370fb86e59f32cd"))
    let address = try #require(IPAddress("10.1.0.2"))
    #expect(OwnLines.own([address], hostname: nil, id) == ["10.1.0.2\tf2870c98fd50"])
    #expect(OwnLines.own([address], hostname: try Self.name("box"), id) == ["10.1.0.2\tbox f2870c98fd50"])
    #expect(OwnLines.own([address], hostname: try Self.name("F2870C98FD50"), id) == ["10.1.0.2\tF2870C98FD50"])
  }

  static func json(_ text: String) throws -> JSONReader {
    JSONReader(try CNIJSON.decodeValue(Array(text.utf8)), path: "k")
  }
  static func name(_ text: String) throws -> HostName { try #require(HostName(text)) }
  static func owner() throws -> AttachmentID {
    AttachmentID(
      network: try #require(NetworkName("isolated_nw")), container: try #require(ContainerID("c1")),
      interface: try #require(InterfaceName("eth0")))
  }
}
