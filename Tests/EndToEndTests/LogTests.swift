import CNI
import Foundation
import LabSupport
import Testing

@Suite(.needsRoot)
struct LogTests {
  private func log(_ lab: Lab) throws -> [JSONValue] {
    try String(contentsOfFile: "\(lab.directory)/log", encoding: .utf8).split(separator: "\n")
      .map { try JSONValue(json: String($0)) }
  }

  @Test func `CNI_LOG gets one line per call with its steps`() throws {
    try Lab.use { lab in
      let config = try lab.bridge(#"{"isGateway": true}"#)
      for command in ["ADD", "DEL"] {
        var call = lab.call(command, config, on: 1)
        call.variables["CNI_LOG"] = "\(lab.directory)/log"
        #expect(try lab.run(call).isSuccess)
      }
      let lines = try log(lab).filter { $0.text("plugin")?.hasSuffix("/bridge") == true }
      #expect(lines.map { $0.text("CNI_COMMAND") } == ["ADD", "DEL"])
      for line in lines {
        #expect(line.text("network") == "net")
        #expect(line.text("CNI_CONTAINERID") == "\(lab.name)-c1")
        #expect(line.text("CNI_IFNAME") == "eth0")
        #expect(line.text("outcome") == "ok")
        #expect(line.text("microseconds").flatMap { Int($0) } != nil)
        let steps = line.list("steps")
        #expect(steps.contains { $0.text("step")?.contains("host-local") == true })
        #expect(steps.allSatisfy { $0.text("microseconds") != nil })
      }
      for step in ["lock host", "look up br0", "create veth"] {
        #expect(lines.first?.list("steps").contains { $0.text("step")?.hasPrefix(step) == true } == true, "\(step)")
      }
    }
  }

  @Test func `a refused call is logged with its error`() throws {
    try Lab.use { lab in
      var call = lab.call("ADD", try lab.bridge(#"{"isolation": "strict"}"#), on: 1)
      call.variables["CNI_LOG"] = "\(lab.directory)/log"
      #expect(try lab.run(call).code == 7)
      let lines = try log(lab)
      #expect(lines.count == 1)
      #expect(lines.first?.text("outcome") == "error")
      #expect(lines.first?.text("code") == "7")
    }
  }

  @Test(arguments: ["/not/there/log", "/", "/dev/full", "77"])
  func `a CNI_LOG that cannot be written is only a warning`(destination: String) throws {
    try Lab.use { lab in
      var call = lab.call("ADD", try lab.bridge(), on: 1)
      call.variables["CNI_LOG"] = destination
      let outcome = try lab.run(call)
      #expect(try outcome.result().text("ips.0.address") == "10.77.0.2/24")
      #expect(outcome.errors.contains("CNI_LOG=\(destination)"))
    }
  }

  @Test func `CNI_LOG may be a file descriptor`() throws {
    try Lab.use { lab in
      var call = lab.call("STATUS", try lab.bridge(subnets: []), on: 1)
      call.variables["CNI_LOG"] = "2"
      let outcome = try lab.run(call)
      #expect(outcome.isSuccess)
      #expect(try JSONValue(json: outcome.errors).text("CNI_COMMAND") == "STATUS")
    }
  }
}
