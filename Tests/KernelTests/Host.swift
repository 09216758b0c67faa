import Kernel
import Netlink
import SweepSupport
import TestSupport

/// Makes the changes on a new host with a new container and returns the state afterwards.
func after(_ changes: [Change]) throws -> KernelState {
  try inFreshNamespace { path in
    var kernel = try LiveKernel.open(containerNamespace: path)
    for change in changes { try kernel.apply(change) }
    return try KernelState(of: path)
  }
}

/// Creates a bridge, and a container's interface as its port.
let attachment: [Change] = [
  .createLink(LinkSpec("br0", kind: .bridge(filtersVLANs: false), mac: "02:00:00:00:00:01", mtu: 1400)),
  .changeLink("br0", on: .host, LinkChange(isUp: true, alias: "cni:net/")),
  .createLink(
    LinkSpec(
      "veth0", kind: .veth(peer: .init(name: "eth0", mac: "02:00:00:00:00:03")), mac: "02:00:00:00:00:02", mtu: 1400)),
  .changeLink("veth0", on: .host, LinkChange(isUp: true, alias: "cni:net/c1/eth0", master: "br0")),
  .changeLink("lo", on: .container, LinkChange(isUp: true)),
  .changeLink("eth0", on: .container, LinkChange(isUp: true)),
  .awaitRunning("veth0"),
]
