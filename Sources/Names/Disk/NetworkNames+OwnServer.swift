public import CNI
import Glibc
import Linux
public import NetTypes

extension NetworkNames {
  private var process: DnsmasqProcess { DnsmasqProcess(directory: state.directory(of: network)) }

  /// Starts the network's dnsmasq, unless it runs with the wanted configuration.
  ///
  /// - Parameters:
  ///   - server: the wanted settings; addresses from the running configuration are kept for earlier attachments.
  ///   - program: the program's path; `nil` if it is not installed.
  /// - Returns: the addresses on which it listens; empty, after a warning, if dnsmasq is not installed or does not
  ///   start.
  /// - Throws: why its configuration cannot be written, an earlier process cannot be ended, or no process can be
  ///   started at the moment.
  public func startServer(_ server: DnsmasqSettings, program: String?) throws(KernelError) -> [IPAddress] {
    let before = try process.config()
    let config = config(server, before)
    if before == config.text, let running = try process.running() {
      return try listeningAddresses(running, at: server.addresses)
    }
    guard let program else {
      warn("names of network \(network): no name server: dnsmasq is not installed")
      return []
    }
    try willChange("start dnsmasq for \(network)")
    try process.end()
    try process.endStrays()
    try process.write(config.text)
    do throws(KernelError) { try process.start(program) } catch {
      guard error.isStartRefused else { throw error }
      warn("names of network \(network): no name server: \(error)")
      try process.end()
      return []
    }
    guard let running = try process.running() else {
      warn("names of network \(network): no name server: dnsmasq has ended")
      try process.end()
      return []
    }
    let listeningAddresses = try listeningAddresses(running, at: server.addresses)
    if listeningAddresses.isEmpty { try process.end() }
    return listeningAddresses
  }

  private func config(_ server: DnsmasqSettings, _ before: String?) -> DnsmasqConfig {
    let earlier = DnsmasqConfig.addresses(in: before ?? "").filter { !server.addresses.contains($0) }
    return DnsmasqConfig(
      network: network, addresses: server.addresses + earlier, domain: server.domain, upstreams: server.upstreams,
      hostsdir: "\(state.directory(of: network))/hostsdir", pidFile: process.pidFile)
  }

  private func listeningAddresses(
    _ running: borrowing ProcessHandle, at addresses: [IPAddress]
  ) throws(KernelError) -> [IPAddress] {
    let listeningAddresses = try process.listening(running, at: addresses)
    for address in addresses where !listeningAddresses.contains(address) {
      warn("names of network \(network): dnsmasq cannot listen on \(address) port 53: another program uses it")
    }
    return listeningAddresses
  }

  /// Ends the network's dnsmasq if the network has no attachments.
  public func endServerIfUnused() throws(KernelError) {
    guard try !state.hasMembers(of: network) else { return }
    try process.end()
  }

  /// How the network's dnsmasq differs from the wanted settings.
  public func differences(from server: DnsmasqSettings) throws(KernelError) -> [String] {
    guard let running = try process.running() else { return ["no dnsmasq runs for network \(network)"] }
    let before = try process.config()
    if before != config(server, before).text { return ["dnsmasq runs with another configuration"] }
    let listeningAddresses = try process.listening(running, at: server.addresses)
    return server.addresses.filter { !listeningAddresses.contains($0) }.map { "dnsmasq does not listen on \($0)" }
  }

  /// Starts the network's dnsmasq again if it was started before and has ended.
  ///
  /// - Returns: whether it was started.
  fileprivate func restartServer(_ program: String?) throws(KernelError) -> Bool {
    guard try process.config() != nil, try state.hasMembers(of: network), try process.running() == nil else {
      return false
    }
    guard let program else {
      throw KernelError("start dnsmasq for \(network)", errno: .ENOENT, reason: "it is not installed")
    }
    try process.endStrays()
    try process.start(program)
    return true
  }
}

extension StateDirectory {
  /// Starts each dnsmasq again that ran for a network with attachments and has ended.
  ///
  /// - Returns: the networks whose dnsmasq was started, and the errors.
  public func restartServers(
    program: String?, warn: @escaping (String) -> Void
  ) throws(KernelError) -> (started: [NetworkName], failures: [KernelError]) {
    var started: [NetworkName] = []
    var failures: [KernelError] = []
    for name in try (Files.list(path) ?? []).sorted() {
      guard let network = NetworkName(name) else { continue }
      do throws(KernelError) {
        guard let names = try NetworkNames.lock(network, in: self, createIfMissing: false, warn: warn) else { continue }
        if try names.restartServer(program) { started.append(network) }
      } catch { failures.append(error) }
    }
    return (started, failures)
  }
}
