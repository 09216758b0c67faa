import NetTypes

func differences<K: Kernel & ~Copyable>(
  from wanted: TunnelTables, on kernel: inout K
) throws(KernelError) -> [String] {
  let found = try ifPresent { () throws(KernelError) in try kernel.tables(like: wanted) }
  return wanted.changes(from: found ?? TunnelTables(of: wanted.device)).map { "want: \($0)" }
}

func isPresent<K: Kernel & ~Copyable>(_ spec: AddressSpec, on kernel: inout K) throws(KernelError) -> Bool {
  let found = try ifPresent { () throws(KernelError) in try kernel.addresses(of: spec.interface, on: spec.side) }
  return found?.contains(spec.prefix) == true
}
