import CNI
import PacketFilter

/// What is remembered of packet filter rules is read and can be written and read again, or it is refused with code 6 or 7.
func fuzz(_ bytes: [UInt8]) {
  do throws(CNIError) {
    let claim = try CNIJSON.decode(Claim.self, from: bytes)
    let again = try CNIJSON.decode(Claim.self, from: claim.json.bytes)
    require(again == claim, "\(claim), then \(again)")
    require(claim.owner.filterTag.utf8.count <= 115, claim.owner.filterTag)
  } catch {
    require([.decodingFailure, .invalidNetworkConfig].contains(error.code), "\(error)")
  }
}
