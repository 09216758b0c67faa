import CNI
import Names
import NetTypes
import PacketFilter
import Testing
@testable import dns_hosts

struct ServiceNamesTests {
  private func backEnd(
    of service: String = "web", at address: IPAddress?, port: UInt16 = 80, weight: Int = 1,
    _ resolve: BackEnd.Resolution
  ) throws -> BackEnd {
    var backEnd = BackEnd(
      of: service, address, .tcp, port, .random, to: try #require(IPAddress("10.1.0.5")), 80,
      in: try #require(IPPrefix("10.1.0.0/24")), weight: weight)
    backEnd.resolve = resolve
    return backEnd
  }

  private func member(_ backEnds: [BackEnd]) throws -> Member {
    try Fixture.use { fixture in
      var settings = try DNSHostsSettings(fixture.call(5, #"{"domain":"example.com"}"#))
      for backEnd in backEnds { try settings.addService(of: backEnd) }
      return settings.member(try Fixture.previous(5))
    }
  }

  @Test func `each service has its names once, with the virtual addresses of both families`() throws {
    let v4 = try #require(IPAddress("10.1.0.250")), v6 = try #require(IPAddress("fd00::fa"))
    let member = try member([
      backEnd(at: v4, .vip), backEnd(at: v4, port: 81, .vip), backEnd(at: v6, weight: 0, .vip),
      backEnd(at: nil, port: 8000, .vip), backEnd(of: "db", at: v4, port: 5432, .vip),
    ])
    #expect(
      member.services.flatMap(\.serverLines) == [
        "10.1.0.250 web web.net web.example.com", "fd00::fa web web.net web.example.com",
        "10.1.0.250 db db.net db.example.com",
      ])
    #expect(member.names.map(\.description) == ["c5", "c5.net", "c5.example.com"])
  }

  @Test(arguments: [0, 1])
  func `with "members" the container has the service's names, unless it takes no connections`(weight: Int) throws {
    let address = try #require(IPAddress("10.1.0.250"))
    let member = try member([
      backEnd(at: address, weight: weight, .members), backEnd(at: address, port: 81, weight: weight, .members),
    ])
    #expect(member.services.isEmpty)
    let names = ["c5", "c5.net", "c5.example.com"]
    #expect(
      member.names.map(\.description) == names + (weight == 0 ? [] : ["web", "web.net", "web.example.com"]))
  }

  @Test func `a service cannot have the name of each container itself`() throws {
    let address = try #require(IPAddress("10.1.0.250"))
    let error = #expect(throws: CNIError.self) { try member([backEnd(of: "localhost", at: address, .vip)]) }
    #expect(error?.code == .invalidNetworkConfig && error?.message.contains("localhost") == true)
  }
}
