public import CNI

/// Where a name server on the host finds what the attachments of a network are called.
public enum ServerPlace: Hashable, Sendable {
  /// A directory that dnsmasq watches (`hostsdir`), with a file for each attachment.
  case directory(String)
  /// A file that attachments share (`addn-hosts` of dnsmasq, `hosts` of CoreDNS), and where the number of the dnsmasq is
  /// that must be told of changes; `nil` for a server that looks itself.
  case file(String, pidFile: String?)
}

extension ServerPlace: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    if let directory = try json.text("directory") {
      self = .directory(directory)
    } else {
      self = .file(try json.required("file").text(), pidFile: try json.text("pidFile"))
    }
  }

  public var json: JSONValue {
    switch self {
    case .directory(let path): return .object(["directory": .string(path)])
    case .file(let path, let pidFile):
      var members: [String: JSONValue] = ["file": .string(path)]
      members["pidFile"] = pidFile.map { .string($0) }
      return .object(members)
    }
  }
}

extension Member {
  /// What a name server reads of it: a line for each address with all names, the one for PTR first, without line ends.
  public var serverLines: [String] {
    let names = names.filter(\.fitsDNS)
    let all = names.map(\.description).joined(separator: " ")
    return names.isEmpty ? [] : addresses.map { "\($0) \(all)" }
  }
}
