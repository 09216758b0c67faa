import ArgumentParser
import CNI
import CNIRuntime
import Kernel
import Linux
import NetTypes

extension NetworkCommand {
  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a network: writes its configuration and prints its id.",
      discussion: "Without --subnet the first attachment chooses an unused one. The bridge appears with it too.")

    @OptionGroup var common: CommonOptions
    @Option(
      name: .shortAndLong, help: "\(driverNames.joined(separator: ", ")).", completion: .list(driverNames),
      transform: parsedDriver)
    var driver = NetworkRequest.Driver.bridge
    @Option(help: "A subnet; once for each family, or more.", transform: parsed) var subnet: [IPPrefix] = []
    @Option(help: "The host's address in a subnet.", transform: parsed) var gateway: [IPAddress] = []
    @Option(help: "The part of a subnet to hand out.", transform: parsed) var ipRange: [IPPrefix] = []
    @Flag(help: "Add an IPv6 subnet.") var ipv6 = false
    @Flag(help: "Containers reach only each other; with a parent, also the hosts on the parent's network.")
    var `internal` =
      false
    @Option(help: "The largest packet, in bytes.") var mtu: Int?
    @Option(help: "The specification's version: \(versionTexts).", transform: parsedVersion)
    var cniVersion = NetworkRequest.standardVersion
    @Option(name: .shortAndLong, help: "Another key of the plugin, as key=value; parent=eth0 for a link of the host.")
    var opt: [String] = []
    @Argument(help: "The network's name.", transform: parsed) var name: NetworkName

    func run() throws {
      let options = try parsedOptions()
      try common.report { () throws(CNIError) in
        let contents = try common.load()
        if let other = contents.entries.first(where: { $0.list.name == name }) {
          throw CNIError(.invalidNetworkConfig, "network \(name) exists already: \(other.file)")
        }
        let file = "\(common.networks.path)/\(name).conflist"
        let id = SHA256.hex("\(name)\0\(file)")
        let bytes = Array("\(try request(options).list(id: id).pretty())\n".utf8)
        let validator = Validator(others: contents.entries, hostRoutes: HostRoute.read())
        let overlaps = validator.overlaps(of: try NetworkList(bytes))
        guard overlaps.isEmpty else {
          throw CNIError(.invalidNetworkConfig, overlaps.joined(separator: "; "), details: "want another --subnet")
        }
        try write(bytes, to: file)
        if `internal`, driver.hasParentLink {
          warn("network \(name) has no default route, but its containers reach the hosts on its parent's network")
        }
        if common.json {
          try common.printJSON(["id": .string(id), "name": .string(name.description), "file": .string(file)])
        } else {
          print(id)
        }
      }
    }

    private func request(_ options: [String: JSONValue]) -> NetworkRequest {
      var request = NetworkRequest(name: name)
      request.driver = driver
      request.subnets = subnet
      request.gateways = gateway
      request.ranges = ipRange
      request.ipv6 = ipv6
      request.isInternal = `internal`
      request.mtu = mtu
      request.version = cniVersion
      request.options = options
      return request
    }

    /// Parses `--opt`: in `hairpinMode=true` the value is JSON; a value that is not JSON is text.
    private func parsedOptions() throws -> [String: JSONValue] {
      var options: [String: JSONValue] = [:]
      for pair in opt {
        guard let option = NetworkAttachment.Argument(pair: pair) else {
          throw ValidationError("--opt \"\(pair)\": want key=value")
        }
        // `try?`: a value that is not JSON is meant as text.
        options[option.key] = (try? CNIJSON.decodeValue(Array(option.value.utf8))) ?? .string(option.value)
      }
      return options
    }

    private func write(_ bytes: [UInt8], to file: String) throws(CNIError) {
      do throws(KernelError) {
        try Files.makeDirectories(common.networks.path)
        try Files.createByRename("\(name).conflist", to: common.networks.path, bytes, mode: 0o644)
      } catch {
        throw CNIError(error, as: .ioFailure)
      }
    }
  }
}

private let driverNames = NetworkRequest.Driver.allCases.map(\.rawValue)

private let versionTexts = NetworkRequest.versions.map(\.rawValue).joined(separator: ", ")

private func parsedVersion(_ text: String) throws -> SpecVersion {
  guard let version = SpecVersion(rawValue: text), NetworkRequest.versions.contains(version) else {
    throw ValidationError("\"\(text)\": want one of \(versionTexts)")
  }
  return version
}

private func parsedDriver(_ text: String) throws -> NetworkRequest.Driver {
  guard let driver = NetworkRequest.Driver(rawValue: text) else {
    throw ValidationError("\"\(text)\": want one of \(driverNames.joined(separator: ", "))")
  }
  return driver
}
