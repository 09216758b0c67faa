import CNI
import PacketFilter

/// A rule set file is read, and can be written and read again, or it is refused with code 6 or 7.
func fuzz(_ bytes: [UInt8]) {
  do throws(CNIError) {
    let ruleSet = try CNIJSON.decode(RuleSet.self, from: bytes)
    let again = try CNIJSON.decode(RuleSet.self, from: ruleSet.json.bytes)
    require(again == ruleSet, "\(ruleSet), then \(again)")
    require(ruleSet.owner.filterTag.utf8.count <= 115, ruleSet.owner.filterTag)
  } catch {
    require([.decodingFailure, .invalidNetworkConfig].contains(error.code), "\(error)")
  }
}
