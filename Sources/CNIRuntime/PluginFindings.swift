import CNI

extension Runtime {
  /// One finding for each plugin of the network that is missing or does not support the network's version.
  public func pluginFindings(_ list: NetworkList) -> [Finding] {
    list.requiredPlugins.compactMap { type in
      do throws(CNIError) {
        let supported = try versions(of: type)
        if supported.contains(list.version.rawValue) { return nil }
        let versions = supported.joined(separator: ", ")
        return Finding(
          .error, "plugin \(type) does not support version \(list.version.rawValue): it supports \(versions)")
      } catch {
        return Finding(.error, error.text)
      }
    }
  }
}
