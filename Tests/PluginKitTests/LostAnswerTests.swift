import CNI
import Kernel
import NetTypes
import TestSupport
import Testing

/// After ENOBUFS instead of an answer, it is unknown whether the kernel made the change.
@Suite struct LostAnswerTests {
  static let prefix: IPPrefix = "10.1.0.5/24"

  static let changes: [Change] = [
    .createLink(LinkSpec("br0", kind: .bridge(filtersVLANs: false))),
    .addAddress(AddressSpec(prefix, on: "eth0", .container)),
    .deleteLink("eth0", on: .container),
    .changeLink("eth0", on: .container, LinkChange(mtu: 1400)),
  ]

  private func kernel() -> FakeKernel {
    let kernel = FakeKernel()
    kernel.addLink("eth0", on: .container, kind: "veth")
    return kernel
  }

  @Test(arguments: changes, [true, false])
  func `a change whose answer is lost is made once`(change: Change, isMade: Bool) throws {
    let plain = kernel(), tried = kernel()
    plain.state = tried.state
    try plain.apply(change)
    var failing = FailingKernel(tried, changesBeforeRefusal: 0, by: .lostAnswer(isMade: isMade))
    try failing.settle(change) { (kernel) throws(KernelError) in try kernel.apply(change) }
    #expect(names(tried) == names(plain))
    #expect(tried.state.addresses == plain.state.addresses)
  }

  @Test func `a sysctl that was not written is an error, even an optional one`() throws {
    let kernel = kernel()
    var failing = FailingKernel(kernel, changesBeforeRefusal: 0, by: .lostAnswer(isMade: false))
    let change = Change.setSysctls([Sysctl("net/ipv4/conf/eth0/arp_notify", "0", isOptional: true)], on: .container)
    #expect(throws: KernelError.self) {
      try failing.settle(change) { (kernel) throws(KernelError) in try kernel.apply(change) }
    }
  }

  private func names(_ kernel: FakeKernel) -> [String] {
    [NetNS.host, .container].flatMap { netns in
      (kernel.state.links[netns] ?? [:]).values.map { "\(netns) \($0.name) \($0.mtu)" }.sorted()
    }
  }
}
