import CNI
import Linux
import NetTypes

/// Which calls of a plugin need shared libraries.
public struct LibraryUse: Sendable {
  private let texts: [String]
  private let isNeededOnThisHost: @Sendable () -> Bool

  /// No call.
  public static let none = LibraryUse(texts: []) { false }
  /// Every call.
  public static let always = LibraryUse(texts: []) { true }

  /// - Parameters:
  ///   - texts: keys and string values; a configuration with one of them needs libraries.
  ///   - isNeededOnThisHost: whether every configuration does.
  public init(texts: [String], isNeededOnThisHost: @escaping @Sendable () -> Bool) {
    self.texts = texts
    self.isNeededOnThisHost = isNeededOnThisHost
  }

  /// Whether this executable cannot load what the call needs.
  func areMissing(for command: Command, _ input: [UInt8]) -> Bool {
    guard !SharedLibrary.canBeLoaded, command != .version else { return false }
    return isNeededOnThisHost() || texts.contains { input.offset(of: Array("\"\($0)\"".utf8)) != nil }
  }
}

/// `swift-cni-dynamic`, installed beside the plugins: the same plugins in one executable that can load libraries.
///
/// The plugins are static executables, which start faster and run on any host, but cannot load libraries.
enum DynamicPlugins {
  /// Replaces this process by the plugin in `swift-cni-dynamic`, with the same environment and the same input.
  ///
  /// - Returns: code 50 if that executable cannot be executed; does not return otherwise.
  static func takeOver(_ plugin: String, _ input: [UInt8]) -> CNIError {
    CNIError(
      .notAvailable, "load shared libraries for \(plugin): \(execute(plugin, input))",
      details: "a static executable cannot; install swift-cni-dynamic in the directory of the plugins")
  }

  private static func execute(_ plugin: String, _ input: [UInt8]) -> KernelError {
    do throws(KernelError) {
      let own = try Files.target(ofLink: "/proc/self/exe")
      let directory = own.prefix(through: own.lastIndex(of: "/") ?? own.startIndex)
      return Execution.replaceProcess(by: "\(directory)swift-cni-dynamic", argument: plugin, input: input)
    } catch { return error }
  }
}
