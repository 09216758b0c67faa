import ArgumentParser
import CNI
import CNIRuntime
import Linux
import NetTypes

/// Names of networks in the default directory or in NETCONFPATH, as the shell completes before it reads `--conf-dir`.
let networkNames = CompletionKind.custom { _, _, start in
  let directory = ConfigDirectory(Environment["NETCONFPATH"] ?? ConfigDirectory.standard)
  let names = (try? directory.load())?.entries.map(\.list.name.description)  // an error means no completions
  return (names ?? []).filter { $0.hasPrefix(start) }
}

let namespaceNames = CompletionKind.custom { _, _, start in
  let names = try? NamedNamespaces.names()  // an error means no completions
  return (names ?? []).filter { $0.hasPrefix(start) }
}
