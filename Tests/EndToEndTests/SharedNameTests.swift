import CNI
import LabSupport
import Testing

/// Attachments with equal derived names.
@Suite(.needsRoot)
struct SharedNameTests {
  /// Two containers whose host ends have the same name, which is derived from a hash.
  @Test(arguments: ["bridge", "ptp"])
  func `DEL keeps link, rules and address of another container whose name has the same hash`(plugin: String) throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.bridge(#"{"name": "n", "isGateway": true, "ipMasq": true}"#).with("type", .string(plugin))
      func run(_ command: String, _ id: String, on number: Int) throws -> Outcome {
        var call = lab.call(command, config, on: number, plugin: plugin)
        call.variables["CNI_CONTAINERID"] = id
        return try lab.run(call)
      }
      let result = try run("ADD", "c69789", on: 1).result()
      let before = try Snapshot(of: lab), rules = try lab.shell("nft list ruleset", in: lab.host)
      let refused = try run("ADD", "c1726898", on: 2)
      // The rules' record, which `bridge` writes before it makes the link, or the link.
      let taken = plugin == "bridge" ? "already has a file of that name" : "File exists"
      #expect(!refused.isSuccess && refused.complaint.contains(taken), "\(refused)")
      for _ in 1...2 { try run("DEL", "c1726898", on: 2).requireSuccess() }
      try lab.expectUnchanged(since: before)
      #expect(try lab.shell("nft list ruleset", in: lab.host) == rules)
      #expect(try lab.pings(result.text("ips.0.gateway") ?? "", from: lab.container(1)))
    }
  }
}
