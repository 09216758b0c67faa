public import CNI
public import NetTypes

/// The options of `cnictl connect`: addresses, MAC address, ports and others.
public struct AttachmentRequest: Equatable, Sendable {
  public var addresses: [RequestedAddress] = []
  public var mac: MACAddress?
  public var ports: [PortMapping] = []
  public var aliases: [String] = []
  /// The container's name.
  public var name: String?
  /// The labels by which policies know the container.
  public var labels: [Label] = []
  /// The priority of its default route among those of the container; `nil`: the network's.
  public var gwPriority: Int?
  /// Further `CNI_ARGS`.
  public var arguments: [NetworkAttachment.Argument] = []

  public init() {}

  /// The list with which the container is attached, now and in every later call: with the labels.
  ///
  /// - Throws: code 7 if two labels have the same key, or if no plugin of the list has the key `policy`, for which they are.
  public func list(_ list: NetworkList) throws(CNIError) -> NetworkList {
    var values: [String: String] = [:]
    for label in labels {
      guard values.updateValue(label.value, forKey: label.key) == nil else {
        throw CNIError(.invalidNetworkConfig, "label \"\(label)\": want one value for each key")
      }
    }
    return try list.labelled(values)
  }

  /// The attachment, with each option as a declared capability, otherwise in `CNI_ARGS`.
  ///
  /// - Throws: code 7 for an option that no plugin of the network supports.
  public func attachment(
    _ owner: AttachmentID, namespacePath: String, on list: NetworkList
  ) throws(CNIError) -> NetworkAttachment {
    var attachment = NetworkAttachment(owner: owner, namespacePath: namespacePath)
    attachment.arguments = [NetworkAttachment.Argument("IgnoreUnknown", "1")]
    if let name { attachment.arguments.append(NetworkAttachment.Argument("K8S_POD_NAME", name)) }
    if let gwPriority {
      attachment.arguments.append(NetworkAttachment.Argument("GW_PRIORITY", "\(gwPriority)"))
    }
    if !addresses.isEmpty {
      let texts = addresses.map(\.description)
      if list.declares("ips") {
        attachment.capabilityArguments["ips"] = .array(texts.map { .string($0) })
      } else {
        attachment.arguments.append(NetworkAttachment.Argument("IP", texts.joined(separator: ",")))
      }
    }
    if let mac {
      if list.declares("mac") {
        attachment.capabilityArguments["mac"] = .string(mac.description)
      } else {
        attachment.arguments.append(NetworkAttachment.Argument("MAC", mac.description))
      }
    }
    if !ports.isEmpty {
      try require("portMappings", of: list, to: "publish ports")
      attachment.capabilityArguments["portMappings"] = .array(ports.map(\.json))
    }
    if !aliases.isEmpty {
      try require("aliases", of: list, to: "have aliases")
      attachment.capabilityArguments["aliases"] = .object([
        list.name.description: .array(aliases.map { .string($0) })
      ])
    }
    attachment.arguments += arguments
    return attachment
  }

  private func require(_ capability: String, of list: NetworkList, to action: String) throws(CNIError) {
    guard !list.declares(capability) else { return }
    throw CNIError(
      .invalidNetworkConfig, "network \(list.name): cannot \(action)",
      details: "none of its plugins declares \"capabilities\": {\"\(capability)\": true}")
  }
}
