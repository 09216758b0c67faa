import Foundation
public import Testing

/// The directories of the programs under test.
public enum Binaries {
  /// Our programs: `CNI_BIN`, or `.build/bin` of this package.
  public static let ours: String =
    ProcessInfo.processInfo.environment["CNI_BIN"] ?? package.appending(path: ".build/bin").path()

  /// The scripts of this package.
  public static let scripts: String = package.appending(path: "scripts").path()

  private static let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// The programs of Debian's `containernetworking-plugins`.
  public static let reference = "/usr/lib/cni"
}

extension Trait where Self == ConditionTrait {
  /// Skips a test without root or outside of a private host; if CNI_KERNEL_TESTS is `required`, it runs and fails instead.
  public static var needsRoot: Self {
    let environment = ProcessInfo.processInfo.environment
    let isReady = geteuid() == 0 && environment["CNI_PRIVATE_HOST"] != nil
    return .enabled(
      if: isReady || environment["CNI_KERNEL_TESTS"] == "required", "needs root in scripts/in-private-host")
  }
}
