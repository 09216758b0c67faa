import ArgumentParser
import CNI
import CNIRuntime
import NetTypes

struct Plan: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print the commands that connect would run.",
    discussion: """
      Prints ip, bridge, sysctl, nft and iptables lines in the order in which the plugins would run them, and changes nothing: \
      no link, rule, lease, lock or file. Lines that begin with # are no commands. All plugins of the network must be \
      of this suite.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var options: AttachmentOptions
  @Flag(help: "Print the planned result too, as the last line: # result {…}.") var result = false

  func run() throws {
    let request = try options.request()
    try common.report { () throws(CNIError) in
      let list = try request.list(try common.load().entry(options.network).list)
      let namespace = options.target.namespace
      let owner = try options.owner(on: list.name, in: namespace)
      let attachment = try request.attachment(owner, namespacePath: namespace.path, on: list)
      let plan = try common.runtime.plan(list, attachment)
      guard !common.json else {
        return try common.printJSON([
          "commands": .array(plan.lines.map { .string($0) }), "result": plan.result.json,
        ])
      }
      for line in plan.lines { print(line) }
      if result { print("# result \(plan.result.json.text)") }
    }
  }
}
