import ArgumentParser
import CNI
import CNIRuntime
import Linux
import NetTypes

struct Schema: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print the JSON Schema of a network list or of a plugin's configuration.",
    discussion: """
      The schemas are of draft 2020-12 and refer to each other by file name. `make install` puts all of them into \
      PREFIX/share/swift-cni/schemas.
      """)

  @Argument(
    help: "A plugin's type; conflist: a network list; ipam, plugin: any plugin of that kind.",
    completion: .list(ConfigSchema.names))
  var plugin = "conflist"

  @Flag(help: "Print the names of all schemas.") var list = false

  /// For `make schemas`.
  @Option(help: .hidden) var fill: String?

  func run() throws {
    if list { return print(ConfigSchema.names.joined(separator: "\n")) }
    if let fill { return try printFilled(fill) }
    guard let schema = ConfigSchema.schema(plugin) else {
      throw ValidationError(
        "\(plugin): no schema of that name: want one of \(ConfigSchema.names.joined(separator: ", "))")
    }
    print(schema.pretty())
  }

  /// Prints a document with the key tables between its markers written anew.
  private func printFilled(_ file: String) throws {
    let text: String
    do throws(KernelError) { text = String(decoding: try Files.read(file), as: UTF8.self) } catch {
      throw ValidationError("\(file): \(error)")
    }
    guard let filled = KeyDocs.filled(text) else {
      throw ValidationError("\(file): a marker of a key table names no table or has no end")
    }
    print(filled, terminator: "")
  }
}
