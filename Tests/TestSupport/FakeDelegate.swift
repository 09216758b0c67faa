public import CNI
public import PluginKit

/// A plugin that others delegate to: it always gives the same answer, and records its calls.
public final class FakeDelegate {
  /// The result of its ADD.
  public var answer: AddResult
  /// `ipam.type`; `nil`: it is no IPAM plugin.
  public var type: String?
  /// The error of its ADD; `nil`: the answer.
  public var refusal: CNIError?
  public private(set) var calls: [Command] = []
  /// What it last read in place of the plugin's own configuration.
  public private(set) var input: JSONValue?

  public init(_ answer: AddResult = FakeDelegate.bothFamilies, type: String? = "fake") {
    self.answer = answer
    self.type = type
  }

  /// An address of each family with its gateway.
  public static let bothFamilies = AddResult(
    ips: [
      .init(address: "10.1.0.5/24", gateway: "10.1.0.1"), .init(address: "fd00:1::5/64", gateway: "fd00:1::1"),
    ])

  public var delegates: Delegates {
    Delegates(ipam: type.flatMap(PluginType.init)) { [self] (_, command, bytes) throws(CNIError) in
      calls.append(command)
      if let bytes { input = try CNIJSON.decodeValue(bytes) }
      guard command == .add else { return nil }
      if let refusal { throw refusal }
      return answer
    }
  }
}
