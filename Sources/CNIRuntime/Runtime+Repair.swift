public import CNI
import NetTypes

extension Runtime {
  /// Runs ADD of `dns-hosts` once more for every attachment that stands, given what the whole list had answered.
  ///
  /// That plugin's ADD may be repeated, and changes nothing where all is as it was.
  ///
  /// - Parameter networks: whose attachments; none: all networks'.
  /// - Returns: the attachments of which that was done.
  /// - Throws: what the plugin refused, and code 8 for an attachment whose namespace is not known; the other attachments
  ///   were done all the same.
  public func repairNames(of networks: [NetworkName]) throws(CNIError) -> [Owner] {
    var repaired: [Owner] = []
    var problems: [CNIError] = []
    for entry in try cache.entries(ofAny: networks) {
      let presence = ContainerNamespace(of: entry.attachment).presence
      guard presence != .gone else { continue }
      do throws(CNIError) {
        if try repairNames(of: entry, presence) { repaired.append(entry.attachment.owner) }
      } catch { problems.append(error) }
    }
    if let error = CNIError(joining: problems) { throw error }
    return repaired
  }

  private func repairNames(
    of entry: ResultCache.Entry, _ presence: ContainerNamespace.Presence
  ) throws(CNIError) -> Bool {
    let list = try NetworkList(entry.config)
    guard !entry.isUnfinished else { return false }
    guard let plugin = list.plugins.first(where: { $0.type.description == "dns-hosts" }) else { return false }
    // With a plugin inside, ADD would attach the container a second time.
    guard plugin.config.member("delegate") == nil else { return false }
    guard presence == .live else {
      throw CNIError(.invalidNamespace, "\(entry.attachment.sentence): not repaired: its namespace is not known")
    }
    let previous = try entry.result(as: list.version)
    let input = try plugin.input(for: list, previous: previous, entry.attachment)
    _ = try runner.run(plugin.type, .add, config: input, attachment: entry.attachment)
    return true
  }
}
