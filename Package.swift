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
    .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CNftables"),
    .systemLibrary(name: "CCurl"),
    .systemLibrary(name: "CDBus"),
    .target(name: "CLinux"),
    .target(name: "CExit"),

    library("NetTypes"),
    library("CNI", ["CJansson", "NetTypes"]),
    library("Linux", ["CLinux", "NetTypes"]),
    library("PacketFilter", ["CNI", "NetTypes"]),
    library("Kernel", ["CNI", "NetTypes", "PacketFilter"]),
    library("Etcd", ["CNI"]),
    library("IPAM", ["CNI", "Etcd", "Kernel", "Linux", "NetTypes", "PluginKit"]),
    library("EtcdRecords", ["CNI", "Etcd", "Linux", "NetTypes"]),
    library("Services", ["CNI", "Etcd", "EtcdRecords", "Kernel", "Linux", "NetTypes", "PacketFilter"]),
    library("Names", ["CNI", "Etcd", "EtcdRecords", "Kernel", "Linux", "NetTypes"]),
    library("Overlay", ["CNI", "Etcd", "Kernel", "Linux", "NetTypes", "PacketFilter", "PluginKit"]),
    library("PluginKit", ["CNI", "Kernel", "Linux", "NetTypes", "PacketFilter"]),

    library("Netlink", ["CLinux", "CNetlink", "Kernel", "Linux", "NetTypes", "PacketFilter"]),
    library("Netfilter", ["NetTypes"]),
    library("Nftables", ["CExit", "CNI", "CNftables", "Kernel", "Linux", "Netfilter", "NetTypes", "PacketFilter"]),
    library("Iptables", ["CNI", "Kernel", "Linux", "Netfilter", "NetTypes", "PacketFilter"]),
    library(
      "HostFilter", ["CDBus", "CNI", "Iptables", "Kernel", "Linux", "NetTypes", "Nftables", "PacketFilter"]),
    // Apart from Etcd because it loads libcurl: what links it is no static executable.
    library("EtcdClient", ["CCurl", "CNI", "Etcd", "Linux", "NetTypes"]),

    plugin("bridge", ["IPAM", "PluginKit", "CNI", "Kernel", "NetTypes", "PacketFilter"] + packetFilter),
    plugin(
      "dns-hosts",
      ["CNI", "Etcd", "EtcdClient", "EtcdRecords", "Kernel", "Names", "NetTypes", "PacketFilter", "PluginKit"]
        + packetFilter),
    plugin("firewall", ["CNI", "Kernel", "NetTypes", "PacketFilter", "PluginKit"] + packetFilter),
    plugin("ipam-host-local", ["IPAM", "Netlink", "PluginKit"]),
    plugin(
      "ipam-etcd",
      ["CNI", "Etcd", "EtcdClient", "IPAM", "NetTypes", "PluginKit"]),
    plugin(
      "portmap",
      ["CNI", "Etcd", "EtcdClient", "EtcdRecords", "Kernel", "Linux", "NetTypes", "PacketFilter", "PluginKit"]
        + packetFilter),
    plugin(
      "service",
      [
        "CNI", "Etcd", "EtcdClient", "EtcdRecords", "Kernel", "Linux", "NetTypes", "PacketFilter", "PluginKit",
        "Services",
      ]
        + packetFilter),
    plugin("macvlan", ["IPAM", "PluginKit", "CNI", "Kernel", "NetTypes", "Netlink", "Nftables"]),
    plugin("ipvlan", ["IPAM", "PluginKit", "CNI", "Kernel", "NetTypes", "Netlink", "Nftables"]),
    plugin("vlan", ["IPAM", "PluginKit", "CNI", "Kernel", "NetTypes", "Netlink"]),
    plugin("dummy", ["IPAM", "PluginKit", "CNI", "Kernel", "NetTypes", "Netlink"]),
    plugin(
      "overlay-vxlan",
      ["IPAM", "PluginKit", "CNI", "Etcd", "EtcdClient", "Kernel", "NetTypes", "Overlay", "PacketFilter"] + packetFilter
    ),
    plugin("ptp", ["IPAM", "PluginKit", "CNI", "Kernel", "NetTypes", "PacketFilter"] + packetFilter),
    plugin("none", ["CNI", "Kernel", "NetTypes", "Netlink", "PluginKit"]),
    plugin("tuning", ["PluginKit", "CNI", "Kernel", "Linux", "NetTypes", "Netlink"]),
    plugin("host", ["CNI", "Kernel", "Linux", "NetTypes", "Netlink", "PluginKit"]),

    library("YAML", ["CNI", "CYaml"]),
    library("CNIRuntime", ["CNI", "Linux", "NetTypes", "PacketFilter", "PluginKit"]),

    .executableTarget(
      name: "cnictl",
      dependencies: [
        "CNI", "CNIRuntime", "Etcd", "EtcdClient", "EtcdRecords", "HostFilter", "IPAM", "Kernel", "Linux", "Names",
        "NetTypes",
        "Netlink", "Nftables", "Overlay", "PacketFilter", "PluginKit", "Services", "YAML",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),

    // What tests of every layer use; it knows no module of ours.
    .target(name: "BaseSupport", path: "Tests/BaseSupport", swiftSettings: strict),
    .target(
      name: "TestSupport", dependencies: ["CLinux", "CNI", "Kernel", "Linux", "NetTypes", "PacketFilter", "PluginKit"],
      path: "Tests/TestSupport", swiftSettings: strict),
    .target(
      name: "SweepSupport",
      dependencies: ["CNI", "Kernel", "NetTypes", "Netlink", "PacketFilter", "PluginKit", "TestSupport"],
      path: "Tests/SweepSupport", swiftSettings: strict),
    .target(
      name: "EtcdSupport", dependencies: ["CNI", "Etcd", "Linux"], path: "Tests/EtcdSupport", swiftSettings: strict),
    tests(
      "OverlayEtcdTests", ["CNI", "Etcd", "EtcdSupport", "Kernel", "Linux", "NetTypes", "PacketFilter", "Overlay"]),
    tests("OverlayEtcdTrafficTests", ["BaseSupport", "CNI", "EVPNSupport", "EtcdSupport", "LabSupport"]),
    tests("EtcdTests", ["CNI", "Etcd", "EtcdClient", "EtcdSupport", "Linux"]),
    tests("EtcdClusterTests", ["CNI", "Etcd", "EtcdClient", "EtcdSupport", "LabSupport"]),
    tests("PacketFilterRuleTests", ["CNI", "NetTypes", "PacketFilter", "TestSupport"]),
    tests(
      "HostFilterTests",
      ["BaseSupport", "CNI", "HostFilter", "Kernel", "Linux", "NetTypes", "PacketFilter", "TestSupport"]),
    tests(
      "FirewallTests",
      ["firewall", "CNI", "Kernel", "NetTypes", "PacketFilter", "PluginKit", "TestSupport"]),
    tests("IPAMTests", ["IPAM", "CNI", "NetTypes"]),
    tests("LeaseDiskTests", ["BaseSupport", "IPAM", "CNI", "Linux", "NetTypes"]),
    tests(
      "HostLocalTests",
      [
        "BaseSupport", "IPAM", "PluginKit", "CNI", "Kernel", "Linux", "NetTypes", "TestSupport",
      ]),
    tests("NetTypesTests", ["NetTypes"]),
    .target(
      name: "LabSupport", dependencies: ["BaseSupport", "CNI", "Linux"], path: "Tests/LabSupport",
      exclude: ["probe.py", "wire.py"],
      swiftSettings: strict),
    tests("EndToEndTests", ["BaseSupport", "CNI", "LabSupport"]),
    tests("TrafficTests", ["BaseSupport", "CNI", "LabSupport"]),
    .target(
      name: "EVPNSupport", dependencies: ["BaseSupport", "CNI", "LabSupport"], path: "Tests/EVPNSupport",
      swiftSettings: strict),
    tests("EVPNTests", ["CNI", "EVPNSupport", "LabSupport"]),
    tests("VRFTests", ["CNI", "EVPNSupport", "LabSupport"]),
    tests(
      "ContainerLinksTests",
      ["PluginKit", "CNI", "Kernel", "NetTypes", "TestSupport", "dummy", "ipvlan", "vlan"]),
    tests("IPVLANTests", ["CNI", "PluginKit", "Kernel", "LabSupport", "SweepSupport", "TestSupport", "ipvlan"]),
    tests("VLANTests", ["CNI", "PluginKit", "Kernel", "LabSupport", "SweepSupport", "TestSupport", "vlan"]),
    tests("DummyTests", ["CNI", "LabSupport", "SweepSupport", "dummy"]),
    tests(
      "BridgeVLANTests",
      [
        "bridge", "CNI", "HostFilter", "Kernel", "LabSupport", "Linux", "NetTypes", "SweepSupport", "TestSupport",
      ]),
    .testTarget(
      name: "CNITests", dependencies: ["CNI", "NetTypes"], exclude: ["Golden"], swiftSettings: strict),
    tests(
      "PortmapTests",
      [
        "BaseSupport", "portmap", "CNI", "Etcd", "EtcdRecords", "EtcdSupport", "Kernel", "NetTypes", "PacketFilter",
        "PluginKit",
        "TestSupport",
      ]),
    tests(
      "ServiceTests",
      [
        "BaseSupport", "service", "CNI", "Etcd", "EtcdRecords", "EtcdSupport", "Kernel", "NetTypes", "PacketFilter",
        "PluginKit", "Services", "TestSupport",
      ]),
    tests("NftablesTests", ["Nftables", "CNI", "Netfilter", "NetTypes", "Kernel", "PacketFilter"]),
    .testTarget(
      name: "NftablesKernelTests",
      dependencies: [
        "BaseSupport", "Nftables", "CNI", "Kernel", "Linux", "NetTypes", "PacketFilter", "TestSupport",
      ],
      exclude: ["Golden"], swiftSettings: strict),
    tests(
      "IptablesKernelTests",
      ["Iptables", "CNI", "Kernel", "LabSupport", "Linux", "NetTypes", "PacketFilter", "TestSupport"]),
    tests(
      "PartnerTests",
      ["CNI", "Iptables", "Kernel", "LabSupport", "Linux", "NetTypes", "Nftables", "PacketFilter"]),
    tests(
      "PluginKitTests",
      ["BaseSupport", "CNI", "Kernel", "Linux", "NetTypes", "PacketFilter", "PluginKit", "TestSupport"]),
    tests(
      "KernelTests",
      [
        "BaseSupport", "bridge", "macvlan", "overlay-vxlan", "ptp", "tuning", "PluginKit", "CNI", "EtcdClient",
        "HostFilter",
        "Iptables", "Kernel", "Linux", "NetTypes", "Netlink", "Nftables", "Overlay", "PacketFilter", "SweepSupport",
        "TestSupport",
      ]),
    tests(
      "BridgeTests", ["bridge", "CNI", "Kernel", "NetTypes", "PacketFilter", "PluginKit", "TestSupport"]),
    tests(
      "MacvlanTests",
      ["macvlan", "PluginKit", "CNI", "Kernel", "NetTypes", "PacketFilter", "TestSupport"]),
    tests("MacvlanTrafficTests", ["BaseSupport", "CNI", "LabSupport"]),
    tests(
      "PtpTests",
      ["ptp", "PluginKit", "CNI", "Kernel", "NetTypes", "PacketFilter", "TestSupport"]),
    tests("PtpTrafficTests", ["BaseSupport", "CNI", "LabSupport"]),
    tests("MultiHostTests", ["BaseSupport", "CNI", "LabSupport"]),
    tests("NamesAcrossHostsTests", ["BaseSupport", "CNI", "EtcdSupport", "LabSupport"]),
    tests(
      "OverlayTests",
      [
        "overlay-vxlan", "Overlay", "PluginKit", "CNI", "Kernel", "NetTypes", "PacketFilter", "SweepSupport",
        "TestSupport",
      ]),
    tests("IptablesTests", ["Iptables", "CNI", "Kernel", "Netfilter", "NetTypes", "PacketFilter"]),
    tests(
      "CnictlTests",
      [
        "cnictl", "bridge", "dns-hosts", "dummy", "firewall", "host", "ipam-etcd", "ipam-host-local", "ipvlan",
        "macvlan", "none", "overlay-vxlan", "portmap", "ptp", "service", "tuning", "vlan", "CNI", "CNIRuntime",
        "EtcdRecords", "IPAM", "Linux", "Services",
        "Names", "NetTypes", "Overlay", "PacketFilter", "PluginKit",
      ]),
    tests(
      "TuningTests",
      ["BaseSupport", "tuning", "CNI", "Kernel", "NetTypes", "PluginKit", "TestSupport"]),
    tests(
      "EtcdIPAMTests",
      ["BaseSupport", "ipam-etcd", "IPAM", "Etcd", "EtcdSupport", "CNI", "NetTypes", "PluginKit", "TestSupport"]),
    tests("EtcdIPAMClusterTests", ["BaseSupport", "CNI", "EtcdSupport", "LabSupport"]),
    tests("NamesTests", ["Names", "CNI", "NetTypes"]),
    tests(
      "NameEtcdTests", ["BaseSupport", "Names", "CNI", "Etcd", "EtcdRecords", "EtcdSupport", "Kernel", "NetTypes"]),
    tests("NameDiskTests", ["BaseSupport", "Names", "CNI", "Kernel", "Linux", "NetTypes"]),
    tests(
      "DNSHostsTests",
      [
        "BaseSupport", "dns-hosts", "CNI", "Etcd", "EtcdRecords", "EtcdSupport", "Kernel", "Names", "NetTypes",
        "PacketFilter",
        "PluginKit",
      ]),
    .testTarget(
      name: "DNSHostsTrafficTests", dependencies: ["BaseSupport", "CNI", "LabSupport"], exclude: ["ask.py"],
      swiftSettings: strict),
    tests("DNSHostsStressTests", ["BaseSupport", "CNI", "LabSupport"]),
    tests(
      "CNIRuntimeTests", ["BaseSupport", "CNIRuntime", "CNI", "Linux", "NetTypes", "PacketFilter", "PluginKit", "YAML"]),
  ]
)
