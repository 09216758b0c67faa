public import CNI
import NetTypes

extension HostsText {
  /// Whether the text begins like a file that we create for the container: own lines, then the standard ones.
  public func isOurs(of container: ContainerID) -> Bool {
    guard let short = OwnLines.shortName(container) else { return false }
    let own = lines.prefix { $0.hasSuffix("\t\(short)") || $0.hasSuffix(" \(short)") }
    return !own.isEmpty && Array(lines.dropFirst(own.count).prefix(OwnLines.standard.count)) == OwnLines.standard
  }

  /// The lines in our form (address, tab, names), without the standard ones and `others`, each as often as listed.
  public func told(but others: [String]) -> [String] {
    var left: [String: Int] = [:]
    for line in others + OwnLines.standard { left[line, default: 0] += 1 }
    return lines.filter { line in
      guard left[line, default: 0] == 0 else {
        left[line, default: 0] -= 1
        return false
      }
      return Self.isTelling(line)
    }
  }

  /// Whether the line is an address, a tab and names.
  private static func isTelling(_ line: String) -> Bool {
    let parts = line.split(separator: "\t", omittingEmptySubsequences: false)
    guard parts.count == 2, IPAddress(String(parts[0])) != nil else { return false }
    return parts[1].split(separator: " ").allSatisfy { HostName(String($0)) != nil }
  }

  /// Every complete line, without trailing spaces.
  private var lines: [String] {
    bytes.split(separator: Self.newline).map { line in
      var line = line
      while line.last == Self.space { line.removeLast() }
      return String(decoding: line, as: UTF8.self)
    }
  }
}
