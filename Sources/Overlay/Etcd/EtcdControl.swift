public import CNI
public import Etcd
public import Linux
import NetTypes

/// The control plane that uses peers files, and etcd with flannel's keys.
public struct EtcdControl<Store: EtcdStore & ~Copyable> {
  let disk: OverlayDisk
  let open: (EtcdConfig) throws(CNIError) -> Store
  /// Seconds since 1970.
  let now: () -> Int
  let random: (Range<UInt128>) -> UInt128
  /// Prints one line for the operator.
  let warn: (String) -> Void

  /// - Parameters:
  ///   - disk: this host's records.
  ///   - now: seconds since 1970.
  ///   - random: a random number of a range.
  ///   - warn: prints a line for the operator.
  ///   - open: makes an etcd client.
  public init(
    _ disk: OverlayDisk = OverlayDisk(), now: @escaping () -> Int = { WallClock.seconds },
    random: @escaping (Range<UInt128>) -> UInt128 = { UInt128.random(in: $0) }, warn: @escaping (String) -> Void,
    open: @escaping (EtcdConfig) throws(CNIError) -> Store
  ) {
    self.disk = disk
    self.now = now
    self.random = random
    self.warn = warn
    self.open = open
  }
}

extension EtcdControl: OverlayControl where Store: ~Copyable {
  public func peers(inFile path: String) throws(CNIError) -> [OverlayPeer] {
    let bytes: [UInt8]
    do throws(KernelError) { bytes = try Files.read(path) } catch {
      throw CNIError(.invalidNetworkConfig, "key \"controlPlane.peersFile\": \(error)")
    }
    do throws(CNIError) {
      return try OverlayPeer.list(JSONReader(CNIJSON.decodeValue(bytes)))
    } catch {
      throw CNIError(.invalidNetworkConfig, "peers file \(path): \(error.message)", details: error.details)
    }
  }

  public func isWatched(_ network: NetworkName) -> Bool { disk.isWatched(network) }

  public func consult(
    _ plane: EtcdPlaneConfig, of network: NetworkName, as host: OverlayHost, for command: Command,
    _ check: (OverlayKnowledge) throws(CNIError) -> Void
  ) throws(CNIError) -> OverlayKnowledge {
    let entry = HostEntry(control: self, plane: plane, network: network, host: host)
    switch command {
    case .add: return try entry.register(withEndpoints: isWatched(network), check).knowledge
    case .status: return try entry.status()
    default: return try entry.look(withEndpoints: isWatched(network))
    }
  }
}
