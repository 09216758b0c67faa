import ArgumentParser
import CNI
import CNIRuntime
import NetTypes

extension PolicyCommand {
  struct CheckConnection: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "check", abstract: "Say whether policies allow a connection.",
      discussion: """
        FROM and TO are each a container (ID, name, or the start of the ID), a network, or an address. A network stands \
        for all its containers on this host: the answer is yes if it is yes for all of them. The answer comes from the \
        recorded rules of this host: the egress of FROM and the ingress of TO must both allow the connection. Other \
        rules, such as those of isolation, are not asked.

        Exit status: 0 for yes, 1 for no and for errors.
        """)

    @OptionGroup var common: CommonOptions
    @Argument(help: "The client.") var from: String
    @Argument(help: "The server.") var to: String
    @Argument(help: "The server's port: 514/tcp, or 514 for tcp, udp and sctp.", transform: parsed) var port: PortSpan

    func validate() throws {
      guard port.ports.count == 1 else { throw ValidationError("\"\(port)\": want one port") }
    }

    func run() throws {
      var isAllowed = false
      try common.report { () throws(CNIError) in
        let host = try HostPolicies.read(common.runtime.cache)
        let pairs = ConnectionEnd.pairs(try host.ends(from), try host.ends(to))
        guard !pairs.isEmpty else {
          throw CNIError(
            .invalidNetworkConfig, "\(from), \(to): want two ends with addresses of the same family, in two containers")
        }
        let transports = port.transport.map { [$0] } ?? TransportProtocol.allCases
        let answers = transports.compactMap { host.check.strictest(pairs, port.ports.lowerBound, $0) }
        isAllowed = answers.allSatisfy(\.isAllowed)
        guard !common.json else {
          return try common.printJSON([
            "allowed": .bool(isAllowed), "protocols": .array(answers.map(\.json)),
          ])
        }
        printLines(answers)
      }
      if !isAllowed { throw ExitCode.failure }
    }

    private func printLines(_ answers: [PolicyCheck.Answer]) {
      let denied = answers.filter { !$0.isAllowed }.map(\.transport.description)
      print(denied.isEmpty ? "yes" : denied.count < answers.count ? "no: \(denied.joined(separator: ", "))" : "no")
      for answer in answers {
        print("\(port.portsText)/\(answer.transport): \(answer.isAllowed ? "yes" : "no")")
        print("  egress of \(answer.from.text): \(answer.egress.reason)")
        print("  ingress of \(answer.to.text): \(answer.ingress.reason)")
      }
    }
  }
}

extension PolicyCheck.Answer {
  fileprivate var json: JSONValue {
    .record([
      "protocol": .text(transport), "allowed": .bool(isAllowed), "from": from.json, "to": to.json,
      "egress": .object(["allowed": .bool(egress.isAllowed), "reason": .string(egress.reason)]),
      "ingress": .object(["allowed": .bool(ingress.isAllowed), "reason": .string(ingress.reason)]),
    ])
  }
}

extension ConnectionEnd {
  fileprivate var json: JSONValue {
    let owner = attachment?.owner
    return .record([
      "address": .text(address), "container": .text(owner?.container), "network": .text(owner?.network),
      "interface": .text(owner?.interface),
    ])
  }
}
