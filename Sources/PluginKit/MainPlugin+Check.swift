public import CNI
import Kernel
import NetTypes

extension MainPlugin where Host: ~Copyable {
  /// Opens the kernel for CHECK.
  public func open(_ call: Call<Config>) throws(CNIError) -> Host {
    try open(container: call.namespacePath, call.config, call.journal)
  }

  /// Compares the attachment with the plan that follows from the settings and `prevResult`.
  ///
  /// - Parameters:
  ///   - call: the call of CHECK.
  ///   - settings: the settings of its configuration.
  ///   - ipamInput: the input of the IPAM plugin; `nil` for this plugin's own input.
  ///   - kernel: the kernel.
  /// - Throws: one error with all differences.
  public func check(
    _ call: Call<Config>, _ settings: Driver.Settings, ipamInput: JSONValue? = nil,
    on kernel: inout Host
  ) throws(CNIError) {
    var problems: [CNIError] = []
    do throws(CNIError) {
      try call.delegates.forward(.check, ipamInput)
    } catch { problems.append(error) }
    let found = try findDifferences(call, settings, on: &kernel)
    if !found.isEmpty {
      let all = found.joined(separator: "; ")
      problems.append(CNIError(.differences, "\(call.owner.interface) is not as ADD left it: \(all)"))
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  private func findDifferences(
    _ call: Call<Config>, _ settings: Driver.Settings, on kernel: inout Host
  ) throws(CNIError) -> [String] {
    let previous = call.previous ?? AddResult()
    let peerPath = peer(call.config)?.path
    let part = previous.entries(of: call.owner.interface, peerPath: peerPath)
    let plan = try plan(call, settings, try readHostState(call, settings, part, at: &kernel), part)
    do throws(KernelError) {
      var found: [String] = []
      let foreign = try ForeignAttachment(of: call.owner, Driver.linkKind, previous, on: &kernel)
      let expected = foreign.map { foreign in (plan.shared + plan.own).compactMap(foreign.expectation) }
      for change in expected ?? plan.shared + plan.own { found += try differences(from: change, on: &kernel) }
      let names = plan.result.interfaces.map { $0.name } + [foreign?.hostEnd?.description].compactMap { $0 }
      for interface in previous.interfaces where names.contains(interface.name) {
        found += try differencesFromPrevResult(
          of: interface, on: interface.isInContainer(peerPath: peerPath) ? .container : .host, at: &kernel)
      }
      return found
    } catch { throw CNIError(error) }
  }

  /// How an interface differs from `prevResult`, which includes changes by later plugins of the chain.
  private func differencesFromPrevResult(
    of reported: AddResult.Interface, on netns: NetNS, at kernel: inout Host
  ) throws(KernelError) -> [String] {
    guard let name = InterfaceName(reported.name), let link = try kernel.link(name, on: netns) else { return [] }
    // The MAC address of another program's bridge follows its ports, and so does the MTU of every bridge.
    let isBridge = link.kind == "bridge"
    let keepsMAC = !isBridge || link.alias?.hasPrefix(AttachmentID.tagPrefix) == true
    var found: [String] = []
    if keepsMAC, let wanted = reported.mac.flatMap(MACAddress.init), link.mac != wanted {
      found.append("\(netns) link \(name) has MAC \(link.mac?.description ?? "none"), want \(wanted)")
    }
    if !isBridge, let wanted = reported.mtu, link.mtu != wanted {
      found.append("\(netns) link \(name) has MTU \(link.mtu), want \(wanted)")
    }
    return found
  }
}

extension AddResult.Interface {
  /// Whether it is in the container, not on the host or in `peerPath`, which is used in place of the host.
  func isInContainer(peerPath: String?) -> Bool { !(sandbox ?? "").isEmpty && sandbox != peerPath }
}

extension AddResult {
  /// The addresses and routes of one interface in the container, as the IPAM plugin returned them for ADD.
  func entries(of name: InterfaceName, peerPath: String?) -> AddResult {
    let own = interfaces.firstIndex { $0.name == name.description && $0.isInContainer(peerPath: peerPath) }
    return AddResult(ips: ips.filter { $0.interface == nil || $0.interface == own }, routes: routes, dns: dns)
  }

  /// `previous` with this result appended.
  func appended(to previous: AddResult) -> AddResult {
    var all = previous
    all.interfaces += interfaces
    all.ips += ips.map { ip in
      var moved = ip
      moved.interface = ip.interface.map { $0 + previous.interfaces.count }
      return moved
    }
    all.routes += routes
    if !dns.isEmpty { all.dns = dns }
    return all
  }
}
