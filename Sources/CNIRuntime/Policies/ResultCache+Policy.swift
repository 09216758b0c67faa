public import CNI
public import PluginKit

extension ResultCache {
  /// Sets the policy in an attachment's cached configuration, which CHECK and DEL get.
  ///
  /// No-op if there is no cached result, or if its list has neither a plugin with the key nor one of that type.
  public func setPolicy(_ policy: PolicyConfig, of owner: AttachmentID, in type: String) throws(CNIError) {
    guard var entry = try entry(owner), var configuration = try? NetworkConfiguration(entry.config, for: type)
    else { return }
    try configuration.setPolicy(policy)
    guard configuration.root != (try CNIJSON.decodeValue(entry.config)) else { return }
    entry.config = configuration.root.bytes
    try write(entry)
  }
}
