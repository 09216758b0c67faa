public import CNI
import Kernel
import NetTypes

extension MainPlugin where Host: ~Copyable {
  /// Refuses IPv6 addresses on a kernel without IPv6.
  ///
  /// - Throws: code 7 if there is such an address.
  func refuseIPv6(_ addresses: AddResult, on kernel: inout TracingKernel<Host>) throws(CNIError) {
    guard let first = addresses.ips.first(where: { $0.address.family == .v6 }),
      try translating({ () throws(KernelError) in try kernel.hasIPv6() }) == false
    else { return }
    throw CNIError(.invalidNetworkConfig, "address \(first.address): \(noIPv6)")
  }

  /// Checks for STATUS that the kernel has IPv6 if the configuration has IPv6 addresses.
  ///
  /// - Throws: code 50 if it has not.
  func checkIPv6(_ network: Network<Config>, on kernel: inout TracingKernel<Host>) throws(CNIError) {
    guard let address = network.givenIPv6, try !translating({ () throws(KernelError) in try kernel.hasIPv6() }) else {
      return
    }
    throw CNIError(.notAvailable, "key \"ipam\": \"\(address)\": \(noIPv6)")
  }

  private var noIPv6: String { "this kernel runs without IPv6 (ipv6.disable=1): want IPv4 alone" }
}

extension Kernel where Self: ~Copyable {
  /// Whether the kernel has IPv6; with `disable_ipv6` set on links it still has, and the sysctls exist.
  fileprivate mutating func hasIPv6() throws(KernelError) -> Bool {
    try sysctl("net/ipv6/conf/all/forwarding", on: .host) != nil
  }
}

extension JSONReader {
  /// The first IPv6 address or subnet that the configuration itself has for containers.
  public var givenIPv6: String? {
    guard let ipam = self["ipam"] else { return nil }
    return (["subnet", "ranges", "addresses"].compactMap { ipam[$0]?.value } as [JSONValue]).lazy
      .compactMap(\.givenIPv6).first
  }
}

extension JSONValue {
  fileprivate var givenIPv6: String? {
    switch self {
    case .string(let text): text.contains(":") ? text : nil
    case .array(let values): values.lazy.compactMap(\.givenIPv6).first
    case .object: (member("subnet") ?? member("address")).flatMap { $0.1.givenIPv6 }
    default: nil
    }
  }
}
