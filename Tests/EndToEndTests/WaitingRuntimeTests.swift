import CNI
import LabSupport
import Testing

/// A runtime that does not read what a plugin writes.
@Suite(.needsRoot)
struct WaitingRuntimeTests {
  @Test func `a portmap ADD that waits for its runtime does not block another ADD`() throws {
    try Lab.use(containers: 2) { lab in
      let network = try lab.bridge(#"{"isGateway": true}"#)
      let commands = try (1...2).map { number in
        let result = try lab.add(network, to: number).result()
        let config = try JSONValue(
          json: #"""
            {"cniVersion": "1.1.0", "name": "net", "type": "portmap",
             "runtimeConfig": {"portMappings": [{"hostPort": \#(8080 + number), "containerPort": 80}]}}
            """#
        ).with("prevResult", result)
        let call = lab.call("ADD", config, on: number, plugin: "portmap")
        let variables = lab.environment(call).map { "'\($0)'" }.joined(separator: " ")
        return "echo '\(config.line)' | env \(variables) timeout -s KILL 20 \(call.directory)/portmap"
      }
      let answer = try lab.shell(
        """
        mkfifo \(lab.directory)/pipe
        exec 9<> \(lab.directory)/pipe
        python3 -c '
        from os import set_blocking, write
        set_blocking(9, False)
        try:
            while True: write(9, b"x" * 1024)
        except BlockingIOError: pass
        set_blocking(9, True)
        '
        (\(commands[0])) > \(lab.directory)/pipe 2>&1 &
        until nft list ruleset | grep -q 8081; do sleep 0.1; done
        \(commands[1]) > /dev/null && kill -0 $! && echo waiting
        kill $!
        """, in: lab.host)
      #expect(answer == "waiting\n")
    }
  }
}
