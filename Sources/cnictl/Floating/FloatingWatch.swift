import CNI
import CNIRuntime
import Etcd
import EtcdClient
import EtcdRecords
import Linux
import NetTypes

/// Follows in etcd who has the floating addresses of this host's containers, until it is stopped.
///
/// It can be stopped at any time: the next start compares everything.
struct FloatingWatch {
  let common: CommonOptions
  /// Names of networks; empty: all.
  let chosen: [NetworkName]
  /// The time between two reads of configurations, in seconds.
  let seconds: Int
  /// The last error of each network, so that each error is printed once.
  private var lastErrors: [NetworkName: String] = [:]

  init(common: CommonOptions, chosen: [NetworkName], seconds: Int) {
    self.common = common
    self.chosen = chosen
    self.seconds = seconds
  }

  mutating func run() throws(CNIError) {
    TerminationSignals.exitCleanly()
    while true {
      let end = Clock.now.advanced(bySeconds: seconds)
      let networks = try FloatingNetwork.all(in: common.networks.load(), named: chosen)
      var followed: [Followed] = []
      for network in networks {
        if let revision = sync(network) { followed.append(Followed(network: network, revision: revision)) }
      }
      repeat {
        // Several clusters share the time in short slices.
        let slice = followed.count == 1 ? seconds : 1
        for index in followed.indices { follow(&followed[index], seconds: slice) }
        if followed.isEmpty { Clock.sleep(milliseconds: 1000) }
      } while Clock.now < end && followed.count == networks.count
    }
  }

  /// A network, and the revision up to which its keys were read.
  private struct Followed {
    let network: FloatingNetwork
    var revision: Int64
  }

  /// - Returns: the revision; `nil` after an error.
  private mutating func sync(_ network: FloatingNetwork) -> Int64? {
    var revision: Int64?
    attempt(network.name) { () throws(CNIError) in
      let outcome = try network.sync()
      for one in outcome.released { warn(one.sentence) }
      revision = outcome.revision
    }
    return revision
  }

  /// Waits for a change of an address that a container here has, and carries it out.
  private mutating func follow(_ followed: inout Followed, seconds: Int) {
    let network = followed.network
    var revision = followed.revision, isConcerned = false
    attempt(network.name) { () throws(CNIError) in
      let shared = try network.shared()
      var store = EtcdClient(network.config.etcd)
      try store.watch([shared.keys], from: revision + 1, seconds: seconds) { (events) throws(CNIError) in
        revision = events.revision
        let held = try network.held()
        isConcerned = events.isCompacted || events.events.contains { shared.concerns($0, held) }
        return !isConcerned
      }
    }
    followed.revision = revision
    if isConcerned { followed.revision = sync(network) ?? revision }
  }

  /// Runs `body`; prints a repeated error only once, and waits after it.
  private mutating func attempt(_ network: NetworkName, _ body: () throws(CNIError) -> Void) {
    do throws(CNIError) {
      try body()
      if lastErrors.removeValue(forKey: network) != nil { warn("\(network): answers again") }
    } catch {
      if lastErrors.updateValue(error.message, forKey: network) == nil { warn("\(network): \(error)") }
      Clock.sleep(milliseconds: 1000)
    }
  }
}
