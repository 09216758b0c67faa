import ArgumentParser
import CNI
import HostFilter
import NetTypes
import PacketFilter

struct ServiceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "service", abstract: "List services and their members, and check the members' health.",
    subcommands: [List.self, Inspect.self, CheckMembers.self])
}

extension ServiceCommand {
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls", abstract: "List the services' addresses and ports on this host.",
      discussion: "MEMBERS are those that take new connections, of all.")

    @OptionGroup var common: CommonOptions

    func run() throws {
      try common.report { () throws(CNIError) in
        let fronts = try ServiceFront.all()
        guard !common.json else { return try common.printJSON(.array(fronts.map { $0.json(withMembers: false) })) }
        print(table([["SERVICE", "ADDRESS", "SCHEDULER", "MEMBERS"]] + fronts.map(\.row)))
      }
    }
  }

  struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print a service's addresses, ports and members, as JSON.",
      discussion: "The state of a member is in, out (of health), or missing (its rules are gone: cnictl repair).")

    @OptionGroup var common: CommonOptions
    @Argument(help: "The service's name.", completion: serviceNames) var name: String

    func run() throws {
      try common.report { () throws(CNIError) in
        let fronts = try ServiceFront.all().filter { $0.backEnd.service == name }
        guard !fronts.isEmpty else { throw CNIError.noService(name) }
        try common.printJSON(.array(fronts.map { $0.json(withMembers: true) }))
      }
    }
  }
}

/// Names of services on this host; none for a user who may not read the records.
let serviceNames = CompletionKind.custom { _, _, start in
  let members = (try? HostFilter().serviceMembers()) ?? []  // an error means no completions
  return Set(members.map(\.backEnd.service)).filter { $0.hasPrefix(start) }.sorted()
}

extension CNIError {
  static func noService(_ name: String) -> CNIError {
    CNIError(.invalidNetworkConfig, "service \(name): want one with a member on this host")
  }
}

/// An address and port of a service.
private struct ServiceFront {
  /// One of its back-ends, which have all but the target in common.
  var backEnd: BackEnd
  var members: [(member: ServiceMember, state: ServiceMember.State)] = []

  static func all() throws(CNIError) -> [ServiceFront] {
    do throws(KernelError) {
      let filter = HostFilter(), members = try filter.serviceMembers()
      var fronts: [String: ServiceFront] = [:]
      for (member, state) in zip(members, try filter.states(of: members)) {
        let key = "\(member.backEnd.service) \(member.backEnd.front) \(member.backEnd.family)"
        fronts[key, default: ServiceFront(backEnd: member.backEnd)].members.append((member, state))
      }
      return fronts.sorted { $0.key < $1.key }.map(\.value)
    } catch { throw CNIError(error) }
  }

  var row: [String] {
    [backEnd.service, backEnd.front, "\(backEnd.scheduler)", "\(takingCount)/\(members.count)"]
  }

  private var takingCount: Int { members.count { $0.state == .isIn && $0.member.backEnd.weight > 0 } }

  func json(withMembers: Bool) -> JSONValue {
    .record([
      "service": .string(backEnd.service), "address": .text(backEnd.address), "port": .number(backEnd.port),
      "protocol": .text(backEnd.transport), "family": .string("IPv\(backEnd.family.digit)"),
      "scheduler": .text(backEnd.scheduler), "engine": .string(backEnd.engine), "taking": .number(takingCount),
      "members": withMembers ? .array(members.map { $0.member.json($0.state) }) : .number(members.count),
    ])
  }
}

extension BackEnd {
  /// `10.5.255.10:80/tcp`, `port 8000/tcp`.
  fileprivate var front: String { "\(address?.withPort(port) ?? "IPv\(family.digit) port \(port)")/\(transport)" }
}

extension ServiceMember {
  fileprivate func json(_ state: State) -> JSONValue {
    .record([
      "network": .text(owner.network), "container": .text(owner.container), "interface": .text(owner.interface),
      "target": .text(backEnd.target), "targetPort": .number(backEnd.targetPort), "weight": .number(backEnd.weight),
      "state": .string(state.rawValue), "health": backEnd.health?.json,
    ])
  }
}
