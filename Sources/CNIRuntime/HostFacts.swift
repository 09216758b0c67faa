import CNI
import Linux

extension HostRoute {
  /// The routes of this process's namespace; a table that cannot be read counts as empty.
  public static func read() -> [HostRoute] {
    // A kernel without IPv6 has no such file.
    let v4 = (try? Files.read("/proc/net/route")) ?? [], v6 = (try? Files.read("/proc/net/ipv6_route")) ?? []
    return parseIPv4(String(decoding: v4, as: UTF8.self)) + parseIPv6(String(decoding: v6, as: UTF8.self))
  }
}

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
