import CNI
import Foundation
import LabSupport
import Testing

/// A lock that another process holds all the time.
@Suite(.needsRoot)
struct RefusedLockTests {
  @Test func `portmap closes the lock file once if the lock is refused`() throws {
    try Lab.use(containers: 1) { plain in
      let lab = try plain.withOwnState()
      let result = try lab.add(lab.bridge(#"{"isGateway": true}"#)).result()
      let config = try JSONValue(
        json: #"""
          {"cniVersion": "1.1.0", "name": "net", "type": "portmap", "backend": "iptables",
           "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80}]}}
          """#
      ).with("prevResult", result)
      let call = lab.call("ADD", config, on: 1, plugin: "portmap")
      try call.config.write(toFile: "\(lab.directory)/input", atomically: true, encoding: .utf8)
      let variables = lab.environment(call).map { "'\($0)'" }.joined(separator: " ")
      let trace = try lab.shell(
        """
        exec 9> /run/xtables.lock; flock 9
        env \(variables) CNI_XTABLES_WAIT=1 strace -qq -f -o \(lab.directory)/trace -e trace=close,flock \
          \(call.directory)/\(call.plugin) < \(lab.directory)/input 9>&- || :
        cat \(lab.directory)/trace
        """, in: lab.host)
      #expect(trace.contains("lock /run/xtables.lock within 1 s"))
      #expect(!trace.contains("EBADF"), "\(trace)")
    }
  }
}
