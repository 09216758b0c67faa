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

let package = Package(
  name: "swift-cni",
  products: [
    .library(name: "CNI", targets: ["CNI"])
  ],
  targets: [
    .systemLibrary(name: "CNetlink", pkgConfig: "libnl-3.0", providers: [.apt(["libnl-3-dev"])]),
    .target(name: "CLinux"),

    library("NetTypes"),
    library("CNI", ["NetTypes"]),
    library("Kernel", ["NetTypes"]),

    library("CNIJSON", ["CNI"]),
    library("Linux", ["Kernel", "CLinux"]),
    library("Netlink", ["NetTypes", "Kernel", "Linux", "CNetlink", "CLinux"]),
    library("Attachment", ["CNI", "Kernel", "NetTypes"]),
    library("PluginKit", ["Attachment", "CNI", "CNIJSON", "Kernel", "Linux", "NetTypes"]),

    plugin("bridge", ["Attachment", "CNI", "Kernel", "NetTypes", "Netlink", "PluginKit"]),
    plugin("none", ["CNI", "Kernel", "NetTypes", "Netlink", "PluginKit"]),
    plugin("host", ["CNI", "Kernel", "Linux", "NetTypes", "Netlink", "PluginKit"]),

    tests("NetTypesTests", ["NetTypes"]),
    tests("EndToEndTests", ["CNI", "CNIJSON", "Linux"]),
  ]
)
