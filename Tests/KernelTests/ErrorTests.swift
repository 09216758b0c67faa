import Glibc
import Kernel
import Linux
import NetTypes
import Netlink
import TestSupport
import Testing

@Suite(.needsKernel) struct ErrorTests {
  private func refusal(of change: Change, after first: [Change] = attachment) throws -> KernelError? {
    try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in first { try kernel.apply(change) }
      do throws(KernelError) {
        try kernel.apply(change)
        return nil
      } catch { return error }
    }
  }

  @Test func `an error has the operation, the errno and the kernel's own text`() throws {
    let error = try refusal(of: .addRoute(RouteSpec("10.9.0.0/16", via: "10.2.0.1", on: "eth0", .container)))
    #expect(
      error?.description
        == "add route 10.9.0.0/16 via 10.2.0.1 on eth0 in the container: Network is unreachable (Nexthop has invalid gateway)"
    )
    #expect(error?.errno == .ENETUNREACH)
  }

  @Test func `adding an address twice returns EEXIST`() throws {
    let address = Change.addAddress(AddressSpec("10.1.0.5/24", on: "eth0", .container))
    #expect(try refusal(of: address, after: attachment + [address])?.errno == .EEXIST)
  }

  @Test func `a missing link is named`() throws {
    let error = try refusal(of: .changeLink("nope", on: .host, LinkChange(isUp: true)))
    #expect(error?.errno == .ENODEV)
    #expect(error?.operation == "set nope up: look up nope")
  }

  @Test(arguments: ["/dev/null", "/tmp", "/proc/self/ns/mnt"])
  func `a file that is not a network namespace is refused`(path: String) {
    #expect(throws: KernelError("open network namespace \(path)", errno: .EINVAL, reason: "not a network namespace")) {
      try LiveKernel.open(containerNamespace: path).close()
    }
  }
}

extension LiveKernel {
  /// A value for `#expect` to forget.
  consuming func close() {}
}
