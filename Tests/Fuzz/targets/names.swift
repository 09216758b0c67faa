import CNI
import Names
import NetTypes
import PluginKit
@testable import dns_hosts

/// A configuration of `dns-hosts` gives settings that fit a hosts file, or is refused; state files can be read back.
func fuzz(_ bytes: [UInt8]) {
  attempt([.decodingFailure, .invalidNetworkConfig, .unsupportedField, .invalidEnvironment]) { () throws(CNIError) in
    let value = try CNIJSON.decodeValue(bytes)
    _ = DNSHostsConfig(salvaging: JSONReader(value))
    checkSettings(try settings(JSONReader(value)))
  }
  checkState(Member.self, bytes) { $0.json }
  checkState(ContainerRecord.self, bytes) { $0.json }
  checkState(ContainerTextRecord.self, bytes) { $0.json }
}

func settings(_ json: JSONReader) throws(CNIError) -> DNSHostsSettings {
  guard let network = NetworkName("net"), let container = ContainerID("c1"), let interface = InterfaceName("eth0")
  else {
    fatalError("no names")
  }
  let call = Call(
    owner: AttachmentID(network: network, container: container, interface: interface), namespacePath: "/run/netns/c1",
    argumentsText: "", config: try DNSHostsConfig(json), keys: try RuntimeKeys(json), previous: nil,
    delegates: Delegates(ipam: nil) { (_, _, _) throws(CNIError) in nil })
  return try DNSHostsSettings(call)
}

func checkSettings(_ settings: DNSHostsSettings) {
  require((2...103).contains(settings.names.count), "\(settings.names.count) names")
  let letters = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_".utf8)
  for name in settings.names {
    require(name.description.utf8.allSatisfy(letters.contains), "name \(name)")
  }
}

/// A state file that is read, written and read again gives the same value.
func checkState<Value: JSONReadable & Equatable>(_: Value.Type, _ bytes: [UInt8], _ json: (Value) -> JSONValue) {
  do throws(CNIError) {
    let value = try CNIJSON.decode(Value.self, from: bytes)
    let again = try CNIJSON.decode(Value.self, from: json(value).bytes)
    require(again == value, "\(value), then \(again)")
  } catch { require([.decodingFailure, .invalidNetworkConfig].contains(error.code), "\(error)") }
}
