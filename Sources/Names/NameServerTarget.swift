public import CNI
import NetTypes

/// The file or directory from which a name server on this host reads the names of a network's attachments.
public enum NameServerTarget: Hashable, Sendable {
  /// A directory that dnsmasq watches (`hostsdir`), with a file for each attachment.
  case directory(String)
  /// A file that attachments share: `addn-hosts` of dnsmasq, `hosts` of CoreDNS.
  ///
  /// `pidFile` is that of the dnsmasq that gets SIGHUP after a change; `nil` for a server that checks the file itself.
  case file(String, pidFile: String?)
}

extension NameServerTarget: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    if let directory = try json.text("directory") {
      self = .directory(directory)
    } else {
      self = .file(try json.required("file").text(), pidFile: try json.text("pidFile"))
    }
  }

  public var json: JSONValue {
    switch self {
    case .directory(let path): .record(["directory": .text(path)])
    case .file(let path, let pidFile): .record(["file": .text(path), "pidFile": .text(pidFile)])
    }
  }
}

extension Member {
  /// Its lines for a name server: one for each address with all names, the name for PTR first, without line ends.
  public var serverLines: [String] { NamedAddresses(names, addresses).serverLines }
}
