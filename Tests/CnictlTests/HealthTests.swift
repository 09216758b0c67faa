import CNI
import Linux
import NetTypes
import PacketFilter
import Testing
@testable import cnictl

@Suite struct HealthTests {
  @Test(arguments: [
    ("HTTP/1.1 200 OK\r", 200), ("HTTP/1.0 503\r", 503), ("HTTP/1.1 302 Found elsewhere", 302),
    ("HTTP/1.1 2000 OK", nil),
    ("HTTP/1.1 -20 OK", nil), ("HTTP/1.1", nil), ("SSH-2.0-OpenSSH", nil), ("", nil), ("HTTP/1.1  200", nil),
    ("HTTP/2 200", nil),
  ])
  func `the status of an HTTP answer is in its first line`(line: String, code: Int?) {
    #expect(HTTPStatus(line: Array(line.utf8))?.code == code)
  }

  private func target(_ check: HealthCheck) throws -> HealthTarget {
    let address = try #require(IPAddress("10.1.0.2"))
    var backEnd = BackEnd(of: "web", nil, .tcp, 80, .random, to: address, 80, in: IPPrefix(host: address))
    backEnd.health = check
    let owner = try AttachmentID(
      network: #require(NetworkName("n")), container: #require(ContainerID("c1")),
      interface: #require(InterfaceName("eth0")))
    return try #require(HealthTarget(ServiceMember(owner, backEnd)))
  }

  @Test func `a status of 200 to 399 is healthy`() throws {
    let target = try target(HealthCheck(80, path: "/"))
    let faults = ["199", "200", "399", "400"].map { target.fault(.answer(Array("HTTP/1.1 \($0) X".utf8))) }
    #expect(faults == ["HTTP status 199", nil, nil, "HTTP status 400"])
    #expect(target.fault(.failure("Connection refused")) == "Connection refused")
  }

  @Test func `failures and successes in a row decide`() throws {
    var check = HealthCheck(80)
    (check.fall, check.rise) = (3, 2)
    let target = try target(check)
    var keeper = HealthKeeper(decidesAtOnce: false)
    let results = [false, false, true, false, false, false, false, true, false, true, true, true]
    #expect(
      results.map { keeper.verdict(target, isHealthy: $0) } == [
        nil, nil, nil, nil, nil, false, false, nil, nil, nil, true, true,
      ])
    keeper = HealthKeeper(decidesAtOnce: true)
    #expect([true, false].map { keeper.verdict(target, isHealthy: $0) } == [true, false])
  }
}
