import Foundation
public import Testing

/// Where the programs under test are.
public enum Binaries {
  /// `CNI_BIN`, or `.build/bin` of this package.
  public static let ours: String =
    ProcessInfo.processInfo.environment["CNI_BIN"] ?? package.appending(path: ".build/bin").path()

  /// This package's scripts.
  public static let scripts: String = package.appending(path: "scripts").path()

  private static let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// Debian's `containernetworking-plugins`.
  public static let reference = "/usr/lib/cni"
}

extension Trait where Self == ConditionTrait {
  /// Skipped without root or outside of a private host, but run, and then failing, where a skip must not pass.
  public static var needsRoot: Self {
    let environment = ProcessInfo.processInfo.environment
    let isReady = geteuid() == 0 && environment["CNI_PRIVATE_HOST"] != nil
    return .enabled(
      if: isReady || environment["CNI_KERNEL_TESTS"] == "required", "needs root in scripts/in-private-host")
  }
}
