import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import portmap

@Suite struct ConflictTests {
  private let json = mappings(#"{"hostPort":8080,"containerPort":80}"#)

  @Test(
    arguments: [
      (#"{"hostPort":8080,"containerPort":81}"#, true), (#"{"hostPort":8080,"containerPort":80,"hostIP":"::"}"#, true),
      (#"{"hostPort":8080,"containerPort":80,"hostIP":"192.0.2.1"}"#, true),
      (#"{"hostPort":8080,"containerPort":80,"protocol":"udp"}"#, false),
      (#"{"hostPort":8081,"containerPort":80}"#, false),
    ])
  func `a port that another container has published is refused with its name`(second: String, isRefused: Bool) throws {
    let first = Fixture()
    try first.add(json)
    let other = Fixture(container: "c2", on: first.kernel)
    let error = try other.refusal(mappings(second))
    #expect((error != nil) == isRefused)
    guard let error else { return }
    #expect(error.code == .portInUse)
    #expect(
      error.message.contains("8080/tcp: published already as 8080/tcp for container c1 on network net, interface eth0"))
    #expect(first.ruleSets.map(\.owner) == [first.owner])
  }

  @Test func `the same port on different host addresses does not conflict`() throws {
    let first = Fixture()
    try first.add(mappings(#"{"hostPort":8080,"containerPort":80,"hostIP":"192.0.2.1"}"#))
    let other = Fixture(container: "c2", on: first.kernel)
    try other.add(mappings(#"{"hostPort":8080,"containerPort":80,"hostIP":"192.0.2.2"}"#))
    #expect(first.ruleSets.count == 2)
  }

  @Test(
    arguments: [
      ("0.0.0.0", false, "", true), ("127.0.0.1", false, "", true), ("::", false, "", true), ("::", true, "", true),
      ("::", false, "0.0.0.0", true), ("::", true, "0.0.0.0", false), ("::1", true, "0.0.0.0", false),
      ("192.0.2.1", false, "192.0.2.2", false), ("192.0.2.1", false, "192.0.2.1", true),
      ("0.0.0.0", false, "::", false),
    ] as [(IPAddress, Bool, String, Bool)])
  func `a port that a process has bound is refused with the process`(
    bound: IPAddress, isIPv6Only: Bool, hostIP: String, isRefused: Bool
  ) throws {
    let fixture = Fixture()
    fixture.kernel.sockets[.tcp] = [Listener(bound, 8080, inode: 7, isIPv6Only: isIPv6Only)]
    fixture.kernel.processes = [SocketHolder(pid: 42, inode: 7, command: "nginx -g daemon off")]
    let mapping = #"{"hostPort":8080,"containerPort":80,"hostIP":""# + hostIP + #""}"#
    let error = try fixture.refusal(mappings(mapping))
    #expect((error != nil) == isRefused)
    if let error {
      #expect(error.code == .portInUse)
      #expect(error.message.contains("\(bound.withPort(8080)) is bound by process 42, nginx -g daemon off"))
    }
    #expect(try fixture.refusal(mappings(mapping, #""allowBound":true"#)) == nil)
  }

  @Test(
    arguments: [
      ("conmon -c c1 -u c1", true), ("conmon --runtime-arg=/run/x/c1/pidfile", true), ("conmon -c c11", false),
      ("conmon -c xc1", false),
    ])
  func `a port that the container's own conmon has bound is free`(command: String, isFree: Bool) throws {
    let fixture = Fixture()
    fixture.kernel.sockets[.tcp] = [Listener("0.0.0.0", 8080, inode: 7)]
    fixture.kernel.processes = [SocketHolder(pid: 42, inode: 7, command: command)]
    #expect((try fixture.refusal(json) == nil) == isFree)
  }

  @Test func `a bound socket without a visible process is reported as such`() throws {
    let fixture = Fixture()
    fixture.kernel.sockets[.tcp] = [Listener("0.0.0.0", 8080, inode: 0)]
    fixture.kernel.processes = [SocketHolder(pid: 1, inode: 0, command: "c1")]
    #expect(
      try fixture.refusal(json)?.message.contains("bound by a socket of a process that is not visible here") == true)
  }

  @Test func `a repeated ADD replaces the rules of a killed ADD`() throws {
    let fixture = Fixture()
    try fixture.add(json)
    #expect(try fixture.refusal(json) == nil)
  }

  @Test func `a floating address that another container has is refused`() throws {
    let first = Fixture()
    let json = #"{"runtimeConfig":{"floatingIPs":["192.0.2.7"]}}"#
    try first.add(json)
    let error = try Fixture(container: "c2", on: first.kernel).refusal(json)
    #expect(error?.code == .portInUse)
    #expect(error?.message.contains("192.0.2.7: mapped already for container c1 on network net") == true)
    #expect(try Fixture(on: first.kernel, network: "other").refusal(json)?.code == .portInUse)
  }

  @Test func `move takes a floating address from another container, whose other rules stay`() throws {
    let first = Fixture()
    let before = first.kernel.state
    func config(_ more: String = "") -> String {
      #"{"floatingDevice":"up0","runtimeConfig":{"floatingIPs":[{"ip":"192.0.2.7","move":true}]\#(more)}}"#
    }
    try first.add(config(#","portMappings":[{"hostPort":81,"containerPort":80}]"#))
    let second = Fixture(container: "c2", on: first.kernel, network: "other")
    let made = first.kernel.applied.count
    try second.add(config())
    let spec = AddressSpec("192.0.2.7/32", on: "up0", .host, isSource: false, isAnnounced: true)
    #expect(Array(first.kernel.applied[made...].prefix(1)) == [.deleteAddress(spec)])
    let rules = first.kernel.filter.ruleSets.reduce(into: [:]) { $0[$1.owner] = $1 }
    #expect(rules[first.owner]?.floats == [] && rules[first.owner]?.ports.isEmpty == false)
    #expect(rules[second.owner]?.floats.map(\.device) == ["up0"])
    try first.delete("{}", path: nil)
    #expect(first.kernel.state.addresses.contains(spec), "DEL of the first keeps what the second has")
    try second.delete("{}", path: nil)
    #expect(first.kernel.state == before)
  }

  @Test func `another network of the same container may publish the same port`() throws {
    let first = Fixture()
    let json = mappings(#"{"hostPort":8080,"containerPort":80}"#)
    try first.add(json)
    let second = Fixture(on: first.kernel, network: "other")
    try second.add(json)
    #expect(second.ruleSets.filter { $0.owner == second.owner }.flatMap(\.ports).map(\.isSpare) == [true, true])
    #expect(first.ruleSets.filter { $0.owner == first.owner }.flatMap(\.ports).map(\.isSpare) == [false, false])
    #expect(try Fixture(container: "c2", on: first.kernel).refusal(json)?.code == .portInUse)
  }

  // MARK: hostPortRange

  private func chosen(_ fixture: Fixture, _ elements: String, range: String = "49000-49003") throws -> [UInt16] {
    try fixture.add(mappings(elements, #""hostPortRange":""# + range + #"""#)).portMappings.map(\.hostPort)
  }

  @Test func `a host port is chosen for a mapping without one and is in the result`() throws {
    let fixture = Fixture()
    let result = try fixture.add(
      mappings(
        #"{"containerPort":80},{"hostPort":8080,"containerPort":81},{"containerPort":53,"protocol":"udp","hostIP":"192.0.2.1"}"#,
        #""hostPortRange":"49000-49900""#))
    #expect(result.portMappings.map(\.containerPort) == [80, 53])
    #expect(result.portMappings.map(\.transport) == [.tcp, .udp])
    #expect(result.portMappings.map(\.hostIP) == [nil, "192.0.2.1"])
    #expect(result.portMappings.allSatisfy { (49000...49900).contains($0.hostPort) })
    let ports = fixture.ruleSets.first?.ports ?? []
    #expect(
      ports.map(\.hostPort)
        == [0, 0, 1, 1, 2].map { [8080, result.portMappings[0].hostPort, result.portMappings[1].hostPort][$0] })
    #expect(ports.map(\.targetPort) == [81, 81, 80, 80, 53])
  }

  @Test func `each port of the range is chosen once, then ADD fails`() throws {
    let fixture = Fixture()
    let four = [80, 81, 82, 83].map { "{\"containerPort\":\($0)}" }.joined(separator: ",")
    #expect(Set(try chosen(fixture, four)) == [49000, 49001, 49002, 49003])
    let other = Fixture(container: "c2", on: fixture.kernel)
    let error = try other.refusal(mappings(#"{"containerPort":80}"#, #""hostPortRange":"49000-49003""#))
    #expect(error?.code == .portInUse)
    #expect(error?.message.contains("80/tcp: all of 49000-49003 are in use") == true)
    #expect(try chosen(other, #"{"containerPort":80,"protocol":"udp"}"#).count == 1)
  }

  @Test func `an attachment always gets the same port of a range that is free`() throws {
    #expect(try chosen(Fixture(), #"{"containerPort":80}"#, range: "49000-49900") == [49229])
  }

  @Test func `published, bound and configured ports are not chosen`() throws {
    let first = Fixture()
    try first.add(mappings(#"{"hostPort":49000,"containerPort":80}"#))
    let other = Fixture(container: "c2", on: first.kernel)
    other.kernel.sockets[.tcp] = [Listener("127.0.0.1", 49001, inode: 7)]
    #expect(try chosen(other, #"{"containerPort":80},{"hostPort":49002,"containerPort":81}"#) == [49003])
  }

  @Test func `without hostPortRange chosen ports are above the host's ephemeral ports`() throws {
    let fixture = Fixture()
    let ports = try fixture.add(mappings(#"{"containerPort":80}"#)).portMappings.map(\.hostPort)
    #expect(ports.count == 1 && ports.allSatisfy { $0 >= 61000 })
  }

  @Test func `the search for a port starts at a different port for each container`() throws {
    let first = Fixture()
    let other = Fixture(container: "c2")
    let wide = "20000-60000"
    #expect(
      try chosen(first, #"{"containerPort":80}"#, range: wide) != chosen(other, #"{"containerPort":80}"#, range: wide))
  }

  @Test func `a range is searched to its last port`() throws {
    let fixture = Fixture()
    fixture.kernel.sockets[.tcp] = (20000..<20199).map { Listener("0.0.0.0", $0, inode: 7) }
    #expect(try chosen(fixture, #"{"containerPort":80}"#, range: "20000-20199") == [20199])
  }
}
