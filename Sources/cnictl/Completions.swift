import ArgumentParser
import CNI
import CNIRuntime
import Linux
import NetTypes

/// Networks of the usual directory, or NETCONFPATH's: a shell completes before options are read.
let networkNames = CompletionKind.custom { _, _, start in
  let directory = ConfigDirectory(Environment["NETCONFPATH"] ?? ConfigDirectory.standard)
  let names = (try? directory.load())?.entries.map(\.list.name.description)  // nothing to offer is no error
  return (names ?? []).filter { $0.hasPrefix(start) }
}

let namespaceNames = CompletionKind.custom { _, _, start in
  let names = try? NamedNamespaces.names()  // nothing to offer is no error
  return (names ?? []).filter { $0.hasPrefix(start) }
}
