import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import portmap

/// Configurations exactly as runtimes send them.
@Suite struct ClientTests {
  static let podman = #"""
    {"capabilities":{"portMappings":true},"cniVersion":"0.4.0","name":"podman","prevResult":{"cniVersion":"0.4.0","dns":{},"interfaces":[{"mac":"b6:e9:1a:c1:a8:a9","name":"cni-podman0"},{"mac":"b2:63:96:49:72:15","name":"veth8e14efed"},{"mac":"de:37:ca:48:f8:b6","name":"eth0","sandbox":"/run/netns/netns-7e5c911f-0f86-64ca-da6d-f45c7937bda7"}],"ips":[{"address":"10.88.0.11/16","gateway":"10.88.0.1","interface":2,"version":"4"}],"routes":[{"dst":"0.0.0.0/0"}]},"runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]},"type":"portmap"}
    """#
  static let containerd = #"""
    {"capabilities":{"portMappings":true},"cniVersion":"1.0.0","name":"hcl","prevResult":{"cniVersion":"1.0.0","dns":{},"interfaces":[{"mac":"0a:83:21:a5:fc:2c","name":"hclctr0"},{"mac":"72:a0:d6:d7:f8:fa","name":"veth764ce4eb"},{"mac":"7e:36:69:d9:75:15","name":"eth0","sandbox":"/var/run/netns/cni-22562ae8-6f72-f068-398f-704ef26bdd9d"}],"ips":[{"address":"10.71.0.6/24","gateway":"10.71.0.1","interface":2}],"routes":[{"dst":"0.0.0.0/0"}]},"runtimeConfig":{"portMappings":[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":""}]},"type":"portmap"}
    """#
  static let apptainer = #"""
    {"capabilities":{"portMappings":true},"cniVersion":"1.0.0","name":"bridge","prevResult":{"cniVersion":"1.0.0","interfaces":[{"mac":"4e:94:27:cf:b3:52","name":"sbr0"},{"mac":"a2:d8:d3:19:ab:6a","name":"veth5815c1c6"},{"mac":"b2:d6:97:30:35:be","name":"eth0","sandbox":"/var/lib/apptainer/mnt/session/netns"}],"ips":[{"address":"10.22.0.2/16","gateway":"10.22.0.1","interface":2}],"routes":[{"dst":"0.0.0.0/0"}]},"runtimeConfig":{"portMappings":[{"hostPort":8085,"containerPort":80,"protocol":"tcp"}]},"snat":true,"type":"portmap"}
    """#
  static let mesos = #"""
    {"args":{"org.apache.mesos":{"network_info":{"ip_addresses":[{"protocol":"IPv4"}],"labels":{},"name":"mesos-bridge","port_mappings":[{"container_port":80,"host_port":31000,"protocol":"tcp"}]}}},"chain":"UCR-DEFAULT-BRIDGE","delegate":{"bridge":"ucr-br0","forceAddress":false,"hairpinMode":true,"ipMasq":true,"ipam":{"dataDir":"/var/run/dcos/cni/networks","routes":[{"dst":"0.0.0.0/0"}],"subnet":"172.31.254.0/24","type":"host-local"},"isDefaultGateway":true,"type":"bridge"},"excludeDevices":["ucr-br0"],"name":"mesos-bridge","type":"mesos-cni-port-mapper"}
    """#

  @Test(arguments: [(podman, 8080), (containerd, 8080), (apptainer, 8085)] as [(String, UInt16)])
  func `the input of podman, containerd and apptainer publishes the port`(json: String, port: UInt16) throws {
    var fixture = Fixture()
    fixture.previous = try previous(json)
    let address = try #require(fixture.previous.ips.first)
    let router = try #require(address.gateway)
    let gateway = try #require(IPPrefix(router, length: address.address.length))
    fixture.kernel.state.addresses = [AddressSpec(gateway, on: "br0", .host)]
    #expect(try fixture.add(json) == fixture.previous)
    let path = ReturnPath(subnet: gateway.network, link: "br0")
    #expect(
      fixture.ruleSets.first?.rules == [
        .publish(PublishedPort(.tcp, hostPort: port, to: address.address.address, 80, masquerade: path))
      ])
  }

  @Test func `the input of Mesos runs the delegate and publishes in Mesos' chain`() throws {
    let fixture = Fixture()
    try fixture.add(Self.mesos)
    #expect(fixture.delegate.calls == [.add])
    #expect(fixture.ruleSets.first?.ports.map(\.hostPort) == [31000, 31000])
    #expect(fixture.ruleSets.first?.ports.map(\.excludedDevices) == [["ucr-br0"], ["ucr-br0"]])
    #expect(try fixture.config(Self.mesos).nestedPlugin?.type == PluginType("bridge"))
  }

  @Test func `null lists of containerd and missing lists of ctr publish nothing`() throws {
    let silent = Self.containerd.replacing(
      #""runtimeConfig":{"portMappings":[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":""}]},"#,
      with: "")
    for json in [silent, #"{"runtimeConfig":{"PortMappings":null,"dns":{"Servers":null}}}"#] {
      let fixture = Fixture()
      #expect(try fixture.add(json) == fixture.previous)
      #expect(fixture.kernel.applied.isEmpty)
    }
  }

  @Test func `Nomad sends each port as tcp and as udp`() throws {
    let fixture = Fixture()
    try fixture.add(
      mappings(
        #"{"hostPort":20000,"containerPort":80,"protocol":"tcp","hostIP":"192.0.2.1"},{"hostPort":20000,"containerPort":80,"protocol":"udp","hostIP":"192.0.2.1"}"#
      ))
    #expect(fixture.ruleSets.first?.ports.map(\.transport) == [.tcp, .udp])
  }

  private func previous(_ json: String) throws -> AddResult {
    let value = try CNIJSON.decodeValue(Array(json.utf8))
    return try #require(try JSONReader(value).object("prevResult", as: PrintedResult.self)).result
  }
}
