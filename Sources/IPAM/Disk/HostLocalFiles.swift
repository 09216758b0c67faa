import Kernel
public import NetTypes

extension HostLocal where K: ~Copyable, Leases == LeaseDirectory {
  /// The plugin with leases, subnets and texts in files.
  public static func onDisk(_ openKernel: @escaping @Sendable (String?) throws(KernelError) -> K) -> HostLocal {
    HostLocal(
      on: openKernel, leases: LeaseDirectory.open, flushing: LeaseDirectory.flush, subnets: SubnetRecords.subnet,
      text: fileText)
  }
}
