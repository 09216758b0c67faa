import CNI
import CNIJSON
import Kernel
import Linux
import Overlay

/// Peers in a file of their own, which all hosts may share: a list, or an object with the key `peers`.
enum PeersFile {
  static func read(_ path: String) throws(CNIError) -> [OverlayPeer] {
    let bytes: [UInt8]
    do throws(KernelError) { bytes = try Files.read(path) } catch {
      throw CNIError(.invalidNetworkConfig, "key \"peersFile\": \(error.description)")
    }
    do throws(CNIError) {
      let value = try CNIJSON.decodeValue(bytes)
      let reader = JSONReader(value.array == nil ? value : .object(["peers": value]))
      return try reader.required("peers").elements().map { (peer) throws(CNIError) in try peer.object() }
    } catch { throw CNIError(.invalidNetworkConfig, "\(path): \(error.message)", details: error.details) }
  }
}
