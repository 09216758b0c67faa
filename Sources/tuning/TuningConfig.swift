import CNI
import NetTypes

/// The keys that `tuning` reads from a configuration.
struct TuningConfig: JSONReadable, Equatable, Sendable {
  /// The directory of the backups.
  var dataDir: String
  /// The operator's values.
  var own: RequestedValues
  /// The values in `args.cni`, which override the operator's.
  var arguments: RequestedValues?

  init(_ json: JSONReader) throws(CNIError) {
    dataDir = try json.nonEmptyText("dataDir") ?? StatePaths.tuningBackups
    own = try RequestedValues(json)
    if let given = json["args"]?["cni"] { arguments = try given.object() }
  }

  /// A configuration with only the backup directory.
  init(dataDir: String, own: RequestedValues) {
    self.dataDir = dataDir
    self.own = own
  }

  /// The wanted values of an interface, from one source; `nil` leaves a value as it is.
  struct RequestedValues: JSONReadable, Equatable, Sendable {
    var mac: MACAddress?
    /// Largest packet, in bytes.
    var mtu: Int?
    var txQLen: Int?
    var promisc: Bool?
    var allmulti: Bool?
    var sysctls: [Setting] = []

    init() {}

    init(_ json: JSONReader) throws(CNIError) {
      mac = try json.parsed("mac")
      let mtu = try json.integer("mtu")
      self.mtu = mtu == 0 ? nil : mtu
      txQLen = try json.integer("txQLen")
      promisc = try json.flag("promisc")
      allmulti = try json.flag("allmulti")
      guard let settings = json["sysctl"] else { return }
      guard let members = settings.value.object else { throw settings.refusal("an object") }
      for (key, value) in members.sorted(by: { $0.key < $1.key }) {
        let member = JSONReader(value, path: "\(settings.path).\(key)")
        guard let name = SysctlName(key) else { throw member.refusal("the name of a setting below net") }
        sysctls.append(Setting(name: name, value: try member.text()))
      }
    }
  }

  /// A member of `sysctl`.
  struct Setting: Equatable, Sendable {
    var name: SysctlName
    var value: String
  }
}
