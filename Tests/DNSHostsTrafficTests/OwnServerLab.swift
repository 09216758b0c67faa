import CNI
import Foundation
import LabSupport

/// Networks as podman writes them; the plugin `dnsname` runs a dnsmasq for their names.
struct OwnServerLab {
  let lab: Lab

  /// The host's name server is a dnsmasq at 127.0.0.9, which knows only `outside.example`.
  static func use(containers: Int, _ body: (OwnServerLab) throws -> Void) throws {
    try Lab.use(containers: containers) { lab in
      let net = OwnServerLab(lab: try lab.withOwnState())
      // Processes that a failed test leaves must not keep the namespace.
      defer { _ = try? net.lab.shell("for n in $(ip netns pids \(lab.host)); do kill $n; done") }
      try net.lab.shell(
        """
        ip link set lo up
        dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces --listen-address=127.0.0.9 \
          --address=/outside.example/198.51.100.7 --pid-file=\(lab.directory)/upstream.pid --user=nobody
        echo nameserver 127.0.0.9 > \(lab.directory)/resolv.conf
        mount --bind \(lab.directory)/resolv.conf /etc/resolv.conf
        """, in: lab.host)
      try body(net)
    }
  }

  func bridge(_ network: String) throws -> JSONValue {
    let number = network == "named" ? 93 : 94
    return try JSONValue(
      json: """
        {"cniVersion": "1.0.0", "type": "bridge", "bridge": "cni-\(network)", "isGateway": true, "ipMasq": true,
         "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
           "ranges": [[{"subnet": "10.\(number).0.0/24"}], [{"subnet": "fd00:\(number)::/64"}]]}}
        """
    ).with("name", .string(network))
  }

  func dnsname(_ network: String, aliases: [String] = [], keys: String = "{}") throws -> JSONValue {
    let list = JSONValue.array(aliases.map { .string($0) })
    return try JSONValue(
      json:
        #"{"cniVersion": "1.0.0", "type": "dnsname", "domainName": "dns.podman", "capabilities": {"aliases": true}}"#
    ).with("name", .string(network)).with("runtimeConfig", .object(["aliases": .object([network: list])]))
      .merging(try JSONValue(json: keys))
  }

  /// Runs ADD of the chain and returns the result of `dnsname`.
  @discardableResult
  func join(
    _ number: Int, _ network: String = "named", as name: String, aliases: [String] = [], keys: String = "{}"
  ) throws -> Outcome {
    let result = try lab.add(bridge(network), to: number).result()
    let config = try dnsname(network, aliases: aliases, keys: keys).with("prevResult", result)
    return try lab.add(config, to: number, args: "IgnoreUnknown=1;K8S_POD_NAME=\(name)", plugin: "dnsname")
  }

  func leave(_ number: Int, _ network: String = "named") throws {
    try lab.delete(dnsname(network), from: number, plugin: "dnsname").requireSuccess()
    try lab.delete(bridge(network), from: number).requireSuccess()
  }

  func check(_ number: Int, _ result: JSONValue, as name: String) throws -> Outcome {
    var call = lab.call("CHECK", try dnsname("named").with("prevResult", result), on: number, plugin: "dnsname")
    call.variables["CNI_ARGS"] = "IgnoreUnknown=1;K8S_POD_NAME=\(name)"
    return try lab.run(call)
  }

  /// The networks whose dnsmasq runs on the host, one entry for each process.
  func servers() throws -> [String] {
    let script = """
      for n in $(ip netns pids \(lab.host)); do
        if [ "$(basename "$(readlink /proc/$n/exe)")" = dnsmasq ]; then tr '\\0' ' ' < /proc/$n/cmdline; echo; fi
      done
      """
    return try lab.shell(script).split(separator: "\n").filter { $0.contains("/.dnsmasq.conf") }
      .compactMap { $0.split(separator: "/").dropLast().last.map(String.init) }.sorted()
  }

  /// The files of `dns-hosts`, except lock files.
  func files() throws -> String {
    try lab.shell("cd /run/cni/dns-hosts 2> /dev/null && find . -type f ! -path '*lock*' || true", in: lab.host)
  }

  func kill(_ network: String = "named") throws {
    try lab.shell("kill -9 $(cat /run/cni/dns-hosts/\(network)/.dnsmasq.pid)", in: lab.host)
    while try servers().contains(network) { usleep(10_000) }
  }

  func answer(
    to name: String, _ kind: String = "A", from number: Int, at server: String = "10.93.0.1", wanted: String
  ) throws -> String {
    try DnsmasqLab(lab: lab, isShared: false).answer(to: name, kind, from: number, at: server, wanted: wanted)
  }
}
