import CNI
import Foundation
import LabSupport

/// Networks whose names Debian's dnsmasq resolves, with the shipped example, unchanged or for another network.
struct DnsmasqLab {
  let lab: Lab
  /// Whether the containers share one file, which dnsmasq rereads after SIGHUP.
  let isShared: Bool

  static func use(
    containers: Int, _ networks: [String], isShared: Bool = false, _ body: (DnsmasqLab) throws -> Void
  ) throws {
    try Lab.use(containers: containers) { lab in
      let lab = DnsmasqLab(lab: try lab.withOwnState(), isShared: isShared)
      defer { for network in networks { try? lab.stop(network) } }  // errors must not hide those of the test
      for network in networks { try lab.serve(network) }
      try body(lab)
    }
  }

  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// The text of the example, for network `shop` or adapted to another network and subnet.
  private func example(_ path: String, for network: String) throws -> String {
    let hostsdir = "/run/cni/dns-hosts/shop/hostsdir"
    let shared = "\(lab.directory)/shop.hosts"
    var text = try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
    if isShared {
      text = text.replacing("hostsdir=\(hostsdir)", with: "addn-hosts=\(shared)")
        .replacing(
          #""hostsdir": "\#(hostsdir)""#, with: #""addn-hosts": "\#(shared)", "pidFile": "\#(pidFile("shop"))""#)
    }
    return
      text
      .replacing("10.102.", with: network == "shop" ? "10.102." : "10.103.")
      .replacing("fd00:10:102:", with: network == "shop" ? "fd00:10:102:" : "fd00:10:103:")
      .replacing("shop", with: network)
  }

  /// The chain of the example; `service` is before `dns-hosts`.
  private func plugins(_ network: String, _ service: String?) throws -> [(type: String, config: JSONValue)] {
    let list = try JSONValue(json: example("conf-examples/55-names-dnsmasq.conflist", for: network))
    var plugins = list.list("plugins")
    if let service { plugins.insert(try JSONValue(json: service).with("type", .string("service")), at: 1) }
    return plugins.map { plugin in
      let config = plugin.with("name", .string(network)).with("cniVersion", list.at("cniVersion") ?? .null)
      return (plugin.text("type") ?? "", config)
    }
  }

  // MARK: the name server

  private func pidFile(_ network: String) -> String { "\(lab.directory)/\(network).pid" }

  private func serve(_ network: String) throws {
    let file = "\(lab.directory)/\(network).conf"
    try example("contrib/dnsmasq/shop.conf", for: network).write(toFile: file, atomically: true, encoding: .utf8)
    try lab.shell(
      """
      mkdir -p /run/cni/dns-hosts/\(network)/hostsdir
      exec dnsmasq --conf-file=\(file) --pid-file=\(pidFile(network)) --user=nobody --group=nogroup
      """, in: lab.host)
  }

  private func stop(_ network: String) throws {
    try lab.shell("if [ -e \(pidFile(network)) ]; then kill $(cat \(pidFile(network))); fi")
  }

  // MARK: containers

  @discardableResult
  func join(
    _ number: Int, _ network: String, as name: String, interface: String = "eth0", aliases: [String] = [],
    service: String? = nil
  ) throws -> JSONValue {
    var result: JSONValue?
    for (type, config) in try plugins(network, service) {
      var config = result.map { config.with("prevResult", $0) } ?? config
      if type == "dns-hosts" {
        let given = JSONValue.object(["aliases": .array(aliases.map { .string($0) })])
        config = config.with("runtimeConfig", given).with("resolvConf", .bool(false)).with("hostnameFile", .bool(false))
      }
      let arguments = "IgnoreUnknown=1;K8S_POD_NAME=\(name)"
      result = try lab.add(config, to: number, as: interface, args: arguments, plugin: type).result()
    }
    return result ?? .null
  }

  func leave(_ number: Int, _ network: String, interface: String = "eth0", service: String? = nil) throws {
    for (type, config) in try plugins(network, service).reversed() {
      try lab.delete(config, from: number, as: interface, plugin: type).requireSuccess()
    }
  }

  // MARK: questions

  /// Repeats the query until the answer is as wanted, at most five seconds: dnsmasq hears of changed files by inotify.
  ///
  /// - Returns: the last answer: sorted addresses or names, or `NXDOMAIN`, `silence` and others.
  func answer(
    to name: String, _ kind: String = "A", from number: Int, at server: String, by transport: String = "udp",
    wanted: String
  ) throws -> String {
    let program = Self.root.appending(path: "Tests/DNSHostsTrafficTests/ask.py").path()
    let arguments = ["-B", program, transport, server, name, kind, wanted]
    let outcome = try lab.run("/usr/bin/python3", arguments, in: lab.container(number))
    try outcome.requireSuccess()
    return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// The rules of the host's packet filter.
  func rules() throws -> String { try lab.shell("nft list ruleset", in: lab.host) }
}
