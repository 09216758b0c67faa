public import CNI
import Kernel
import NetTypes

extension MainPlugin where Host: ~Copyable {
  /// - Throws: code 7 where an address is one of IPv6 and the kernel has none.
  func refuseIPv6(_ addresses: AddResult, on kernel: inout TracingKernel<Host>) throws(CNIError) {
    guard let first = addresses.ips.first(where: { $0.address.family == .v6 }),
      try translating({ () throws(KernelError) in try kernel.hasIPv6() }) == false
    else { return }
    throw CNIError(.invalidNetworkConfig, "address \(first.address): \(noIPv6)")
  }

  /// - Throws: code 50 if the configuration gives out IPv6 addresses and the kernel has no IPv6.
  func checkIPv6(_ network: Network<Config>, on kernel: inout TracingKernel<Host>) throws(CNIError) {
    guard let address = network.givenIPv6, try !translating({ () throws(KernelError) in try kernel.hasIPv6() }) else {
      return
    }
    throw CNIError(.notAvailable, "key \"ipam\": \"\(address)\": \(noIPv6)")
  }

  private var noIPv6: String { "this kernel runs without IPv6 (ipv6.disable=1): want IPv4 alone" }
}

extension Kernel where Self: ~Copyable {
  /// Whether there is any: a host on which it is only switched off for links has the settings all the same.
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
