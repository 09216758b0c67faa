import BaseSupport
import CNI
import Foundation
import IPAM
import NetTypes
import Testing

/// The leases as a plan reads them.
@Suite struct SnapshotTests {
  @Test func `a snapshot gives the next ADD's address and writes nothing`() throws {
    try inTemporaryDirectory { directory in
      let subnet = try #require(IPPrefix("10.1.0.0/29"))
      let owner = { (name: String) in
        AttachmentID(
          network: try #require(network), container: try #require(ContainerID(name)),
          interface: try #require(InterfaceName("eth0")))
      }
      let set = try HostLocalConfig(
        JSONReader(CNIJSON.decodeValue(Array(#"{"ipam":{"type":"host-local","subnet":"\#(subnet)"}}"#.utf8)))
      ).rangeSets(autoSubnets: [:], bridgeAddresses: [])[0]
      func request(_ name: String) throws -> AddressRequest {
        AddressRequest(owner: try owner(name), namespacePath: "/dev/null", sets: [set])
      }
      func planned(_ name: String) throws -> [IPAddress] {
        var snapshot = try LeaseSnapshot(dataDir: "\(directory)/data", network: #require(network))
        return try snapshot.allocate(request(name)).map(\.address)
      }
      #expect(try planned("a") == [address("10.1.0.2")])
      #expect(fileNames("\(directory)/data") == [])
      for name in ["a", "b", "c"] {
        let before = fileNames("\(directory)/data/net")
        let expected = try planned(name)
        #expect(fileNames("\(directory)/data/net") == before)
        var leases = try open(directory)
        #expect(try leases.allocate(request(name)).map(\.address) == expected)
      }
      #expect(throws: CNIError.self) { try planned("b") }
    }
  }
}
