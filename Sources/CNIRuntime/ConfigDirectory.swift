public import CNI
import Linux
import NetTypes

/// The directory that holds a host's networks, one file each.
public struct ConfigDirectory: Sendable {
  public static let standard = "/etc/cni/net.d"

  public var path: String

  public init(_ path: String = ConfigDirectory.standard) { self.path = path }

  /// A network and the file it was read from.
  public struct Entry: Equatable, Sendable {
    public var list: NetworkList
    public var file: String

    public init(list: NetworkList, file: String) {
      self.list = list
      self.file = file
    }

    /// 64 hexadecimal digits that stay the same as long as name and file do.
    public var id: String { SHA256.hex("\(list.name)\0\(file)") }
  }

  /// A file that is not a valid network.
  public struct Fault: Equatable, Sendable {
    public var file: String
    public var reason: String
  }

  /// The networks and the faulty files of the directory, sorted by file name.
  public struct Contents: Equatable, Sendable {
    public var entries: [Entry] = []
    public var faults: [Fault] = []
  }

  /// Reads every `.conflist`, `.conf` and `.json` file; a missing directory counts as empty.
  ///
  /// A file that cannot be read or parsed becomes a fault; so does a second file with the same network name.
  ///
  /// - Throws: code 5 if the directory itself cannot be read.
  public func load() throws(CNIError) -> Contents {
    var contents = Contents()
    for name in try configurationFiles(in: path, extensions: [".conflist", ".conf", ".json"]) {
      let file = "\(path)/\(name)"
      do throws(CNIError) {
        let list = try NetworkList.read(file)
        if let other = contents.entries.first(where: { $0.list.name == list.name }) {
          throw CNIError(.invalidNetworkConfig, "network \(list.name) is already defined by \(other.file)")
        }
        contents.entries.append(Entry(list: list, file: file))
      } catch {
        contents.faults.append(Fault(file: file, reason: error.text))
      }
    }
    return contents
  }
}

extension ConfigDirectory.Contents {
  /// The network of that name, or the one whose ID begins with it.
  ///
  /// - Throws: code 7 with the existing names and the files that could not be read.
  public func entry(_ name: String) throws(CNIError) -> ConfigDirectory.Entry {
    if let entry = entries.first(where: { $0.list.name.description == name }) { return entry }
    let similar = name.count >= 4 ? entries.filter { $0.id.hasPrefix(name) } : []
    if similar.count == 1 { return similar[0] }
    let names = entries.map(\.list.name.description)
    let available = names.isEmpty ? "there are no networks" : "the networks are \(names.joined(separator: ", "))"
    let broken = faults.map { "\($0.file) cannot be used: \($0.reason)" }
    throw CNIError(
      .invalidNetworkConfig, "no network \"\(name)\": \(available)", details: broken.joined(separator: "; "))
  }
}

extension NetworkList {
  /// Reads a file, and the plugins in the directory `NAME` beside it unless `loadOnlyInlinedPlugins` is set.
  ///
  /// - Throws: code 5 if a file cannot be read, otherwise as `NetworkList.init`.
  public static func read(_ file: String) throws(CNIError) -> NetworkList {
    let bytes = try readFile(file)
    let directory = file.lastIndex(of: "/").map { String(file[..<$0]) } ?? "."
    guard let name = try? CNIJSON.decode(NetworkHeader.self, from: bytes).name, NetworkName(name) != nil else {
      return try NetworkList(bytes)  // says what is wrong with it
    }
    var extras: [JSONValue] = []
    for plugin in try configurationFiles(in: "\(directory)/\(name)", extensions: [".conf"]) {
      extras.append(try CNIJSON.decodeValue(try readFile("\(directory)/\(name)/\(plugin)")))
    }
    let list = try NetworkList(bytes, extras: extras)
    return list.onlyInlinedPlugins && !extras.isEmpty ? try NetworkList(bytes) : list
  }
}

/// Names of the regular files with one of `extensions`, sorted.
private func configurationFiles(in directory: String, extensions: [String]) throws(CNIError) -> [String] {
  do throws(KernelError) {
    var names: [String] = []
    for name in try Files.list(directory) ?? [] where extensions.contains(where: name.hasSuffix) {
      if try Files.status("\(directory)/\(name)")?.isDirectory == false { names.append(name) }
    }
    return names.sorted()
  } catch {
    throw CNIError(error, as: .ioFailure)
  }
}

private func readFile(_ path: String) throws(CNIError) -> [UInt8] {
  do throws(KernelError) {
    return try Files.read(path)
  } catch {
    throw CNIError(error, as: .ioFailure)
  }
}
