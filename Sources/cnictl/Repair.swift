import ArgumentParser
import CNI
import CNIRuntime
import HostFilter
import Kernel
import NetTypes

struct Repair: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Put back packet filter rules that somebody removed.",
    discussion: """
      After a reload of firewalld, iptables -F or nft flush ruleset: every rule that a plugin made for a container that \
      is still attached. Containers whose namespace is known to be gone are left to gc. Without arguments in every \
      network.
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "Names of networks.", completion: networkNames, transform: parsed) var networks: [NetworkName] = []

  func run() throws {
    try common.report { () throws(CNIError) in
      var filter = HostFilter()
      let gone = Set(
        try common.runtime.cache.entries().map(\.attachment)
          .filter { !ContainerNamespace($0.namespacePath).exists }.map(\.owner))
      var repaired: [Owner] = []
      do throws(KernelError) {
        let chosen = networks.isEmpty ? try filter.networks() : networks
        repaired = try filter.repair(chosen) { !gone.contains($0) }
      } catch { throw CNIError(.kernelRefused, error) }
      try tell(repaired)
    }
  }

  /// An attachment whose rules several plugins made is told once.
  private func tell(_ repaired: [Owner]) throws(CNIError) {
    var told: [Owner] = []
    for owner in repaired where !told.contains(owner) { told.append(owner) }
    guard common.json else { return told.forEach { print("\($0.container) \($0.network) \($0.interface): repaired") } }
    try common.printJSON([
      "repaired": .array(
        told.map {
          .object([
            "network": .string($0.network.description), "containerID": .string($0.container.description),
            "ifname": .string($0.interface.description),
          ])
        })
    ])
  }
}
