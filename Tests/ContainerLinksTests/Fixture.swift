import CNI
import Kernel
import PluginKit
import TestSupport
@testable import dummy
@testable import ipvlan
@testable import vlan

typealias IPVLANDriver = ChildLinkDriver<IPVLANConfig>
typealias VLANDriver = ChildLinkDriver<VLANConfig>

/// An attachment on a host with a link `m0` that the default route leaves by.
typealias Fixture<Driver: LinkDriver> = LinkFixture<Driver> where Driver.Input == Driver.Config

extension LinkFixture {
  init(
    _ driver: Driver,
    chainInput: @escaping MainPlugin<Driver, FakeKernel>.ReadChainInput = { (_, _, _) throws(CNIError) in nil }
  ) {
    var answer = FakeDelegate.bothFamilies
    answer.routes = [Route(dst: "0.0.0.0/0"), Route(dst: "::/0")]
    self.init(driver, ipam: FakeDelegate(answer), chainInput: chainInput)
    kernel.addLink("m0", on: .host, mtu: 1500)
    kernel.state.links[.host]?["m0"]?.isUp = true
    kernel.uplink = "m0"
  }

  var master: LinkInfo? { kernel.link("m0", on: .host) }
  var link: LinkInfo? { kernel.link(owner.interface, on: .container) }
}

extension [Change] {
  /// The first word of each change's description, in order.
  var verbs: [String] { map { String("\($0)".prefix { $0 != " " }) } }
}
