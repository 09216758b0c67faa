// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

func library(_ name: String, _ uses: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: uses, swiftSettings: strict)
}

func plugin(_ name: String, _ uses: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: uses, swiftSettings: strict)
}

func tests(_ name: String, _ uses: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: uses, swiftSettings: strict)
}

/// What main.swift of a plugin with packet filter rules puts together.
let packetFilter: [Target.Dependency] = ["HostFilter", "Netlink"]

let package = Package(
  name: "swift-cni",
  products: [
    .library(name: "CNI", targets: ["CNI"]),
    .library(name: "CNIRuntime", targets: ["CNIRuntime"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    .systemLibrary(name: "CNetlink", pkgConfig: "libnl-3.0", providers: [.apt(["libnl-3-dev"])]),
    .systemLibrary(name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
    .systemLibrary(name: "CNftables"),
    .systemLibrary(name: "CCurl"),
    .systemLibrary(name: "CDBus"),
    .target(name: "CLinux"),
    .target(name: "CExit"),

    library("NetTypes"),
    library("CNI", ["NetTypes"]),
    library("PacketFilter", ["CNI", "NetTypes"]),
    library("Kernel", ["CNI", "NetTypes", "PacketFilter"]),
    library("IPAM", ["CNI", "NetTypes"]),
    library("Etcd", ["CNI"]),

    library("EtcdClient", ["CCurl", "CNI", "CNIJSON", "Etcd", "Kernel", "Linux"]),
    library("CNIJSON", ["CNI", "CJansson"]),
    library("Linux", ["Kernel", "CLinux"]),
    library("Netlink", ["NetTypes", "Kernel", "PacketFilter", "Linux", "CNetlink", "CLinux"]),
    library("Nftables", ["CNI", "NetTypes", "Kernel", "PacketFilter", "Linux", "CExit", "CNftables"]),
    library("Iptables", ["CNI", "Kernel", "Linux", "NetTypes", "PacketFilter"]),
    library("Firewalld", ["CDBus", "Kernel", "Linux", "PacketFilter"]),
    library("Attachment", ["CNI", "Kernel", "NetTypes", "PacketFilter"]),
    library("LeaseDisk", ["IPAM", "CNI", "Kernel", "Linux", "NetTypes"]),
    library("EtcdLeases", ["CNI", "CNIJSON", "Etcd", "IPAM", "NetTypes"]),
    library("Names", ["CNI", "NetTypes"]),
    library("NameDisk", ["Names", "CNI", "CNIJSON", "Kernel", "Linux", "NetTypes"]),
    library("NameEtcd", ["CNI", "CNIJSON", "Etcd", "Kernel", "Linux", "NameDisk", "Names"]),
    library("Overlay", ["Attachment", "CNI", "Etcd", "Kernel", "NetTypes", "PacketFilter"]),
    library("OverlayEtcd", ["CNI", "CNIJSON", "Etcd", "Kernel", "Linux", "NetTypes", "Overlay"]),
    library("PluginKit", ["Attachment", "CNI", "CNIJSON", "Kernel", "Linux", "NetTypes", "PacketFilter"]),

    library("ContainerLinks", ["Attachment", "CNI", "Kernel", "NetTypes", "PluginKit"]),
    library(
      "HostFilter",
      ["CNI", "CNIJSON", "Firewalld", "Iptables", "Kernel", "Linux", "NetTypes", "Nftables", "PacketFilter"]),

    plugin("bridge", ["Attachment", "CNI", "Kernel", "NetTypes", "PacketFilter", "PluginKit"] + packetFilter),
    plugin(
      "dns-hosts",
      ["CNI", "Etcd", "EtcdClient", "Kernel", "NameDisk", "NameEtcd", "Names", "NetTypes", "PacketFilter", "PluginKit"]
        + packetFilter),
    plugin("firewall", ["CNI", "Kernel", "NetTypes", "PacketFilter", "PluginKit"] + packetFilter),
    plugin("ipam-host-local", ["IPAM", "LeaseDisk", "Netlink", "PluginKit", "CNI", "Kernel", "NetTypes"]),
    plugin(
      "ipam-etcd",
      ["CNI", "Etcd", "EtcdClient", "EtcdLeases", "IPAM", "LeaseDisk", "NetTypes", "PluginKit"]),
    plugin("portmap", ["CNI", "Kernel", "NetTypes", "PacketFilter", "PluginKit"] + packetFilter),
    plugin("macvlan", ["Attachment", "ContainerLinks", "CNI", "Kernel", "NetTypes", "Netlink", "PluginKit"]),
    plugin("ipvlan", ["ContainerLinks", "CNI", "Kernel", "NetTypes", "Netlink", "PluginKit"]),
    plugin("vlan", ["ContainerLinks", "CNI", "Kernel", "NetTypes", "Netlink", "PluginKit"]),
    plugin("dummy", ["Attachment", "ContainerLinks", "CNI", "Kernel", "NetTypes", "Netlink", "PluginKit"]),
    plugin(
      "overlay-vxlan",
      [
        "Attachment", "CNI", "Etcd", "EtcdClient", "Kernel", "NetTypes", "Overlay", "OverlayEtcd", "PacketFilter",
        "PluginKit",
      ] + packetFilter),
    plugin("ptp", ["Attachment", "CNI", "Kernel", "NetTypes", "PacketFilter", "PluginKit"] + packetFilter),
    plugin("none", ["CNI", "Kernel", "NetTypes", "Netlink", "PluginKit"]),
    plugin("tuning", ["Attachment", "CNI", "CNIJSON", "Kernel", "Linux", "NetTypes", "Netlink", "PluginKit"]),
    plugin("host", ["CNI", "Kernel", "Linux", "NetTypes", "Netlink", "PluginKit"]),

    library("CNIRuntime", ["CNI", "CNIJSON", "Kernel", "Linux", "NetTypes"]),

    .executableTarget(
      name: "cnictl",
      dependencies: [
        "Attachment", "CNI", "CNIJSON", "CNIRuntime", "Etcd", "EtcdClient", "HostFilter", "IPAM", "Kernel", "LeaseDisk",
        "Linux", "NameDisk", "NameEtcd", "NetTypes", "Netlink", "Overlay", "OverlayEtcd", "PacketFilter",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),

    .target(
      name: "TestSupport", dependencies: ["CLinux", "CNI", "Kernel", "Linux", "NetTypes", "PacketFilter"],
      path: "Tests/TestSupport", swiftSettings: strict),
    .target(
      name: "SweepSupport",
      dependencies: ["CNI", "CNIJSON", "Kernel", "NetTypes", "Netlink", "PluginKit", "TestSupport"],
      path: "Tests/SweepSupport", swiftSettings: strict),
    .target(
      name: "EtcdSupport", dependencies: ["CNI", "Etcd", "Linux"], path: "Tests/EtcdSupport", swiftSettings: strict),
    tests(
      "OverlayEtcdTests", ["CNI", "CNIJSON", "Etcd", "EtcdSupport", "Linux", "NetTypes", "Overlay", "OverlayEtcd"]),
    tests("OverlayEtcdTrafficTests", ["CNI", "EtcdSupport", "LabSupport"]),
    tests("EtcdTests", ["CNI", "CNIJSON", "Etcd", "EtcdClient", "EtcdSupport", "Linux"]),
    tests("EtcdClusterTests", ["CNI", "Etcd", "EtcdClient", "EtcdSupport", "LabSupport"]),
    tests("PacketFilterRuleTests", ["CNI", "CNIJSON", "NetTypes", "PacketFilter", "TestSupport"]),
    tests("HostFilterTests", ["CNI", "HostFilter", "Kernel", "Linux", "NetTypes", "PacketFilter", "TestSupport"]),
    tests(
      "FirewallTests",
      ["firewall", "CNI", "CNIJSON", "Kernel", "NetTypes", "PacketFilter", "PluginKit", "TestSupport"]),
    tests("IPAMTests", ["IPAM", "CNI", "CNIJSON", "NetTypes"]),
    tests("LeaseDiskTests", ["LeaseDisk", "IPAM", "CNI", "Linux", "NetTypes"]),
    tests(
      "HostLocalTests",
      [
        "ipam-host-local", "LeaseDisk", "IPAM", "PluginKit", "CNI", "CNIJSON", "Kernel", "Linux", "NetTypes",
        "TestSupport",
      ]),
    tests("NetTypesTests", ["NetTypes"]),
    .target(
      name: "LabSupport", dependencies: ["CNI", "CNIJSON", "Linux"], path: "Tests/LabSupport",
      exclude: ["probe.py", "wire.py"],
      swiftSettings: strict),
    tests("EndToEndTests", ["CNI", "LabSupport"]),
    tests("TrafficTests", ["CNI", "LabSupport"]),
    .target(
      name: "EVPNSupport", dependencies: ["CNI", "LabSupport"], path: "Tests/EVPNSupport", swiftSettings: strict),
    tests("EVPNTests", ["CNI", "EVPNSupport", "LabSupport"]),
    tests("VRFTests", ["CNI", "EVPNSupport", "LabSupport"]),
    tests(
      "ContainerLinksTests",
      [
        "Attachment", "CNI", "CNIJSON", "ContainerLinks", "Kernel", "NetTypes", "PluginKit", "TestSupport", "dummy",
        "ipvlan", "vlan",
      ]),
    tests("IPVLANTests", ["CNI", "ContainerLinks", "Kernel", "LabSupport", "SweepSupport", "TestSupport", "ipvlan"]),
    tests("VLANTests", ["CNI", "ContainerLinks", "Kernel", "LabSupport", "SweepSupport", "TestSupport", "vlan"]),
    tests("DummyTests", ["CNI", "LabSupport", "SweepSupport", "dummy"]),
    tests(
      "BridgeVLANTests",
      [
        "bridge", "CNI", "CNIJSON", "HostFilter", "Kernel", "LabSupport", "Linux", "NetTypes", "Netlink", "PluginKit",
        "TestSupport",
      ]),
    .testTarget(
      name: "CNITests", dependencies: ["CNI", "CNIJSON", "NetTypes"], exclude: ["Golden"], swiftSettings: strict),
    tests(
      "PortmapTests", ["portmap", "CNI", "CNIJSON", "Kernel", "NetTypes", "PacketFilter", "PluginKit", "TestSupport"]),
    tests("NftablesTests", ["Nftables", "CNI", "NetTypes", "Kernel", "PacketFilter"]),
    tests(
      "NftablesKernelTests", ["Nftables", "CNI", "Kernel", "Linux", "NetTypes", "PacketFilter", "TestSupport"]),
    tests(
      "IptablesKernelTests",
      ["Iptables", "CNI", "Kernel", "LabSupport", "Linux", "NetTypes", "PacketFilter", "TestSupport"]),
    tests(
      "PartnerTests",
      ["CNI", "Iptables", "Kernel", "LabSupport", "Linux", "NetTypes", "Nftables", "PacketFilter"]),
    tests("PluginKitTests", ["CNI", "Kernel", "NetTypes", "PluginKit", "TestSupport"]),
    tests(
      "KernelTests",
      [
        "bridge", "macvlan", "overlay-vxlan", "ptp", "tuning", "Attachment", "CNI", "CNIJSON", "EtcdClient",
        "HostFilter", "Iptables", "Kernel", "Linux", "NetTypes", "Netlink", "Nftables", "OverlayEtcd", "PacketFilter",
        "PluginKit", "SweepSupport", "TestSupport",
      ]),
    tests(
      "BridgeTests", ["bridge", "CNI", "CNIJSON", "Kernel", "NetTypes", "PacketFilter", "PluginKit", "TestSupport"]),
    tests(
      "MacvlanTests",
      ["macvlan", "Attachment", "CNI", "CNIJSON", "Kernel", "NetTypes", "PluginKit", "TestSupport"]),
    tests("MacvlanTrafficTests", ["CNI", "LabSupport"]),
    tests(
      "PtpTests",
      ["ptp", "Attachment", "CNI", "CNIJSON", "Kernel", "NetTypes", "PacketFilter", "PluginKit", "TestSupport"]),
    tests("PtpTrafficTests", ["CNI", "LabSupport"]),
    tests("MultiHostTests", ["CNI", "LabSupport"]),
    tests("NamesAcrossHostsTests", ["CNI", "EtcdSupport", "LabSupport"]),
    tests(
      "OverlayTests",
      [
        "overlay-vxlan", "Overlay", "Attachment", "CNI", "CNIJSON", "Kernel", "NetTypes", "PacketFilter", "PluginKit",
        "SweepSupport", "TestSupport",
      ]),
    tests("IptablesTests", ["Iptables", "CNI", "Kernel", "NetTypes", "PacketFilter"]),
    tests(
      "CnictlTests",
      [
        "cnictl", "bridge", "dns-hosts", "dummy", "firewall", "host", "ipam-host-local", "ipvlan", "macvlan", "none",
        "overlay-vxlan", "portmap", "ptp", "tuning", "vlan", "CNI", "CNIRuntime", "Linux", "NetTypes",
      ]),
    tests(
      "TuningTests",
      ["tuning", "CNI", "CNIJSON", "Kernel", "NetTypes", "PluginKit", "TestSupport"]),
    tests(
      "EtcdIPAMTests",
      [
        "ipam-etcd", "EtcdLeases", "Etcd", "EtcdSupport", "IPAM", "CNI", "CNIJSON", "NetTypes", "PluginKit",
        "TestSupport",
      ]),
    tests("EtcdIPAMClusterTests", ["CNI", "EtcdSupport", "LabSupport"]),
    tests("NamesTests", ["Names", "CNI", "CNIJSON", "NetTypes"]),
    tests(
      "NameEtcdTests", ["NameEtcd", "NameDisk", "Names", "CNI", "CNIJSON", "Etcd", "EtcdSupport", "Kernel", "NetTypes"]),
    tests("NameDiskTests", ["NameDisk", "Names", "CNI", "Kernel", "Linux", "NetTypes"]),
    tests(
      "DNSHostsTests",
      [
        "dns-hosts", "CNI", "CNIJSON", "Etcd", "EtcdSupport", "Kernel", "NameDisk", "NameEtcd", "Names", "NetTypes",
        "PluginKit",
      ]),
    .testTarget(
      name: "DNSHostsTrafficTests", dependencies: ["CNI", "LabSupport"], exclude: ["ask.py"], swiftSettings: strict),
    tests("DNSHostsStressTests", ["CNI", "LabSupport"]),
    tests("CNIRuntimeTests", ["CNIRuntime", "CNI", "CNIJSON", "Linux", "NetTypes"]),
  ]
)
