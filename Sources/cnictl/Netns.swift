import ArgumentParser
import CNI
import CNIRuntime
import Linux
import NetTypes

struct NetnsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "netns", abstract: "Named network namespaces, for trying networks from a shell.",
    subcommands: [Add.self, Remove.self, List.self, Execute.self])
}

extension NetnsCommand {
  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make a namespace and give it a name.")

    @OptionGroup var common: CommonOptions
    @Argument(help: "A name, as for a container.", transform: parsed) var name: ContainerID

    func run() throws {
      try common.report { () throws(CNIError) in
        do throws(KernelError) { try NamedNamespaces.add("\(name)") } catch {
          throw CNIError(error, as: .invalidNamespace)
        }
        let path = ContainerNamespace("\(name)").path
        if common.json { return try common.printJSON(["name": .string("\(name)"), "netns": .string(path)]) }
        print(path)
      }
    }
  }

  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "rm", abstract: "Detach a namespace from every network and remove its name.")

    @OptionGroup var common: CommonOptions
    @Argument(help: "Its name.", completion: namespaceNames, transform: parsed) var name: ContainerID

    func run() throws {
      try common.report { () throws(CNIError) in
        let namespace = ContainerNamespace("\(name)")
        guard Files.exists(namespace.path) else {
          throw CNIError(.invalidNamespace, "no namespace \(namespace.path)")
        }
        var detached: [JSONValue] = []
        for entry in try AttachmentFilter(namespace: namespace).find(in: common.runtime.cache) {
          let cached = try CachedAttachment(entry)
          try common.runtime.delete(cached.list, cached.attachment)
          detached.append(cached.attachment.json)
        }
        do throws(KernelError) { try NamedNamespaces.remove("\(name)") } catch {
          throw CNIError(error, as: .invalidNamespace)
        }
        if common.json { return try common.printJSON(["name": .string("\(name)"), "detached": .array(detached)]) }
        print(name)
      }
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls", abstract: "List the named namespaces and the networks they are on.")

    @OptionGroup var common: CommonOptions

    func run() throws {
      try common.report { () throws(CNIError) in
        let names: [String]
        do throws(KernelError) { names = try NamedNamespaces.names() } catch { throw CNIError(error, as: .ioFailure) }
        let attachments = try common.runtime.cache.entries().map(\.attachment)
        let rows = names.map { name in
          let own = attachments.filter { $0.namespacePath == ContainerNamespace(name).path }
          return (name: name, networks: own.map { "\($0.owner.network):\($0.owner.interface)" })
        }
        if common.json {
          let values = rows.map { row in
            JSONValue.object(["name": .string(row.name), "networks": .array(row.networks.map { .string($0) })])
          }
          return try common.printJSON(JSONValue.array(values))
        }
        print(table([["NAME", "NETWORKS"]] + rows.map { [$0.name, $0.networks.joined(separator: " ")] }))
      }
    }
  }

  struct Execute: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "exec", abstract: "Run a program in a namespace.",
      discussion: "Its exit status is the program's. Options for cnictl stand before the namespace.")

    @OptionGroup var common: CommonOptions
    @Argument(help: "A name under \(StatePaths.namespaces), or a path.", completion: namespaceNames) var netns: String
    @Argument(parsing: .captureForPassthrough, help: "The program and its arguments.") var words: [String]

    func run() throws {
      try common.report { () throws(CNIError) in
        do throws(KernelError) {
          try NamedNamespaces.exec(
            words.first == "--" ? Array(words.dropFirst()) : words, in: ContainerNamespace(netns).path)
        } catch {
          throw CNIError(error, as: .invalidNamespace)
        }
      }
    }
  }
}
