import ArgumentParser

struct PolicyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy", abstract: "Show, check, apply and remove the policies of networks.",
    subcommands: [List.self, Show.self, CheckConnection.self, Apply.self, Remove.self])
}
