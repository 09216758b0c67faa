import NetTypes

/// An error as the CNI specification reports it: printed as JSON on standard output.
public struct CNIError: Error, Equatable, Sendable {
  private struct Fields: Equatable, Sendable {
    var code: Code
    var message: String
    var details: String
  }

  /// As in `KernelError`.
  private var fields: Boxed<Fields>

  public var code: Code { fields.value.code }
  /// What was being done, what was wrong, and what is wanted.
  public var message: String { fields.value.message }
  /// Further information for the operator; may be empty.
  public var details: String {
    get { fields.value.details }
    set { fields.value.details = newValue }
  }

  public init(_ code: Code, _ message: String, details: String = "") {
    fields = Boxed(Fields(code: code, message: message, details: details))
  }

  /// An error code, explained in `docs/errors.md`; 1 to 99 are the specification's, 100 and above are ours.
  public struct Code: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let incompatibleVersion = Code(rawValue: 1)
    public static let unsupportedField = Code(rawValue: 2)
    public static let unknownContainer = Code(rawValue: 3)
    public static let invalidEnvironment = Code(rawValue: 4)
    public static let ioFailure = Code(rawValue: 5)
    public static let decodingFailure = Code(rawValue: 6)
    public static let invalidNetworkConfig = Code(rawValue: 7)
    public static let invalidNamespace = Code(rawValue: 8)
    public static let tryAgainLater = Code(rawValue: 11)
    public static let notAvailable = Code(rawValue: 50)
    public static let limitedConnectivity = Code(rawValue: 51)

    public static let kernelRefused = Code(rawValue: 100)
    public static let differences = Code(rawValue: 101)
    public static let poolExhausted = Code(rawValue: 102)
    public static let addressUnavailable = Code(rawValue: 103)
    public static let alreadyAttached = Code(rawValue: 104)
    public static let delegateFailed = Code(rawValue: 105)
    public static let leaseStore = Code(rawValue: 106)
    public static let portInUse = Code(rawValue: 107)
    public static let etcdRefused = Code(rawValue: 108)
  }

  /// Joins several errors: the code of the first one, all messages.
  ///
  /// `nil` if there are no errors.
  public init?(joining errors: [CNIError]) {
    guard let first = errors.first else { return nil }
    self.init(
      first.code, errors.map { $0.message }.joined(separator: "; "),
      details: errors.map { $0.details }.filter { !$0.isEmpty }.joined(separator: "; "))
  }
}

extension CNIError {
  /// As STATUS answers it: code 50, unless the configuration is not valid.
  public var ofStatus: CNIError {
    code == .invalidNetworkConfig ? self : CNIError(.notAvailable, message, details: details)
  }
}

extension CNIError: CustomStringConvertible {
  public var description: String {
    details.isEmpty ? "\(message) (code \(code.rawValue))" : "\(message): \(details) (code \(code.rawValue))"
  }
}
