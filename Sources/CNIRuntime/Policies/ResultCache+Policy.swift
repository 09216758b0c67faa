public import CNI
public import PluginKit

extension ResultCache {
  /// Sets the policy in an attachment's cached configuration, which CHECK and DEL get; `nil` removes it.
  ///
  /// No-op if there is no cached result, or if its list has neither a plugin with the key nor one of that type.
  ///
  /// - Returns: the entry as it was; `nil` if it was not changed.
  public func setPolicy(_ policy: PolicyConfig?, of owner: AttachmentID, in type: String) throws(CNIError) -> Entry? {
    guard let before = try entry(owner), var configuration = try? NetworkConfiguration(before.config, for: type)
    else { return nil }
    // Without its former log, which the rules do not have.
    try configuration.setPolicy(nil)
    try configuration.setPolicy(policy)
    guard configuration.root != (try CNIJSON.decodeValue(before.config)) else { return nil }
    var entry = before
    entry.config = configuration.root.bytes
    try write(entry)
    return before
  }

  /// Writes an entry that `setPolicy` returned, unless the attachment is gone.
  public func restore(_ before: Entry) throws(CNIError) {
    if try entry(before.attachment.owner) != nil { try write(before) }
  }
}
