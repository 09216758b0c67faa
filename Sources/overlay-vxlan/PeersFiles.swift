import CNI
import CNIJSON
import Kernel
import Linux
import NetTypes
import Overlay

/// Knows other hosts by files that somebody wrote.
struct PeersFiles: OverlayControl {
  func peers(inFile path: String) throws(CNIError) -> [OverlayPeer] {
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

  func consult(
    _ plane: EtcdPlaneConfig, of network: NetworkName, as host: OverlayHost, for command: Command
  ) throws(CNIError) -> OverlayKnowledge {
    throw CNIError(.unsupportedField, "key \"controlPlane.type\": \"etcd\": want static, multicast or evpn")
  }

  func publish(
    _ endpoints: [OverlayEndpoint], of owner: Owner, _ plane: EtcdPlaneConfig, as host: OverlayHost
  ) throws(CNIError) {}

  func withdraw(_ owner: Owner, _ plane: EtcdPlaneConfig) throws(CNIError) {}

  func isWatched(_ network: NetworkName) -> Bool { false }
}
