public import CNI
public import NetTypes

/// What the hosts of a network tell each other of an attachment.
public protocol SharedRecord: Sendable {
  var owner: AttachmentID { get }
  /// The name of the attachment's host (`etcd.node`).
  var node: HostName { get }

  /// Reads the etcd value of that attachment.
  ///
  /// - Throws: code 7 for a value of another form.
  init(of owner: AttachmentID, _ json: JSONReader) throws(CNIError)

  var json: JSONValue { get }
}

extension AttachmentID {
  /// `CONTAINER:INTERFACE`; neither can contain a `:`.
  public var attachment: String { "\(container):\(interface)" }

  /// Parses `CONTAINER:INTERFACE`; `nil` for any other text.
  public init?(attachment: some StringProtocol, on network: NetworkName) {
    guard let colon = attachment.firstIndex(of: ":"), let container = ContainerID(String(attachment[..<colon])),
      let interface = InterfaceName(String(attachment[attachment.index(after: colon)...]))
    else { return nil }
    self.init(network: network, container: container, interface: interface)
  }
}
