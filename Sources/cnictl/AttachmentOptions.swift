import ArgumentParser
import CNI
import CNIRuntime
import NetTypes

/// Which namespace goes to which network, and as what: for `connect` and `plan`.
struct AttachmentOptions: ParsableArguments {
  @Argument(help: "The network's name, or the start of its id.", completion: networkNames) var network: String
  @OptionGroup var target: NamespaceArgument
  @Option(help: "The container's id.", transform: parsed) var container: ContainerID?
  @Option(help: "The interface's name in the container.", transform: parsed) var ifname: InterfaceName?
  @Option(help: "An address to have; once for each subnet.", transform: parsed) var ip: [RequestedAddress] = []
  @Option(help: "The MAC address to have.", transform: parsed) var mac: MACAddress?
  @Option(name: .shortAndLong, help: "A port: \(PortMapping.expectedForm).") var publish: [String] = []
  @Option(help: "Another name on this network.") var alias: [String] = []
  @Option(help: "The container's name.") var name: String?
  @Option(help: "A label for policies, as KEY=VALUE; may be given several times.", transform: parsed) var label:
    [Label] = []
  @Option(name: .customLong("gw-priority"), help: "The priority of its default route; the highest wins.")
  var gwPriority: Int?
  @Option(help: "Further CNI_ARGS, as KEY=value.") var args: [String] = []

  func owner(on network: NetworkName, in namespace: ContainerNamespace) throws(CNIError) -> AttachmentID {
    let container = if let container { container } else { try namespace.defaultContainerID() }
    let interface = if let ifname { ifname } else { try namespace.freeInterfaceName() }
    return AttachmentID(network: network, container: container, interface: interface)
  }

  func request() throws -> AttachmentRequest {
    var request = AttachmentRequest()
    request.addresses = ip
    request.mac = mac
    request.aliases = alias
    request.name = name
    request.labels = label
    request.gwPriority = gwPriority
    for text in publish {
      guard let ports = PortMapping.parse(text) else {
        throw ValidationError("--publish \"\(text)\": want \(PortMapping.expectedForm)")
      }
      request.ports += ports
    }
    for pair in args {
      guard let argument = NetworkAttachment.Argument(pair: pair) else {
        throw ValidationError("--args \"\(pair)\": want KEY=value without ';'")
      }
      request.arguments.append(argument)
    }
    return request
  }
}
