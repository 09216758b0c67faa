import CNI
@testable import tuning

/// A sysctl's path stays below `net`; a backup or configuration is read or refused, and a backup can be read again.
func fuzz(_ bytes: [UInt8]) {
  checkName(String(decoding: bytes, as: UTF8.self))
  attempt([.decodingFailure, .invalidNetworkConfig]) { () throws(CNIError) in
    for setting in try CNIJSON.decode(TuningConfig.self, from: bytes).own.sysctls { checkName(setting.name.text) }
    let backup = try CNIJSON.decode(Backup.self, from: bytes)
    for setting in backup.sysctls { checkPath(setting.key) }
    let again = try CNIJSON.decode(Backup.self, from: backup.json.bytes)
    require(again.json == backup.json, "\(backup.json.text), then \(again.json.text)")
  }
}

func checkName(_ text: String) {
  guard let name = SysctlName(text) else { return }
  let path = name.path(for: nil)
  checkPath(path)
  require(SysctlName(name.dotted)?.path(for: nil) == path, "\(text), then \(name.dotted)")
}

func checkPath(_ path: String) {
  let parts = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { String($0) ?? "" }
  require(parts.count > 1 && parts[0] == "net", path)
  require(!parts.contains { ["", ".", ".."].contains($0) || $0.utf8.contains(0) }, path)
}
