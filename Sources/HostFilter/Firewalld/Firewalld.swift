import Glibc
import Linux
public import NetTypes
public import PacketFilter

/// firewalld, called over the system bus.
///
/// A source is added to the permanent configuration and to the runtime configuration, since `firewall-cmd --reload` replaces
/// the runtime one by the permanent one. Equals `firewall-cmd [--permanent] --zone ZONE --add-source ADDRESS`.
public final class Firewalld: FirewalldClient {
  private static let name = "org.fedoraproject.FirewallD1"
  private static let object = "/org/fedoraproject/FirewallD1"
  /// This directory is installed with firewalld: without it, neither the bus is contacted nor libdbus loaded.
  private static let configuration = "/etc/firewalld"

  public init() {}

  /// Whether firewalld is installed and there is a system bus.
  static var mayRun: Bool { Files.exists(configuration) && SystemBus.mayRun }

  public func unavailableReason() -> KernelError? {
    do throws(KernelError) {
      _ = try openBus()
      return nil
    } catch { return error }
  }

  /// - Throws: ENOTCONN if firewalld is not installed or does not run; what `SystemBus.open` throws.
  private func openBus() throws(KernelError) -> SystemBus {
    let operation = "look for firewalld"
    guard Files.exists(Self.configuration) else {
      throw KernelError(operation, errno: .ENOTCONN, reason: "it is not installed: no \(Self.configuration)")
    }
    let bus = try SystemBus.open()
    let request = MethodCall(
      destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus",
      method: "NameHasOwner", arguments: [Self.name])
    do throws(BusError) {
      guard try bus.call(request) == .flag(true) else {
        throw BusError(name: "", message: "it does not run: no \(Self.name) on the system bus")
      }
    } catch { throw KernelError(operation, errno: .ENOTCONN, reason: error.message) }
    return bus
  }

  public func addSources(_ sources: [ZoneSource]) throws(KernelError) {
    let bus = try openBus()
    for source in sources {
      do throws(BusError) {
        // Permanent first, so that the source is not lost if firewalld reloads between the two calls.
        try tolerating(["ALREADY_ENABLED"] + BusError.notPermanent) { () throws(BusError) in
          _ = try bus.call(Self.permanent("addSource", source, on: bus))
        }
        try tolerating(["ZONE_ALREADY_SET", "ALREADY_ENABLED"]) { () throws(BusError) in
          _ = try bus.call(Self.runtime("addSource", source))
        }
      } catch { throw error.asKernelError("add \(source)") }
    }
  }

  public func removeSources(_ sources: [ZoneSource]) throws(KernelError) -> [ZoneSource] {
    let bus = try openBus()
    var kept: [ZoneSource] = []
    for source in sources {
      do throws(BusError) {
        do throws(BusError) {
          try tolerating(["NOT_ENABLED"] + BusError.noSuchObject) { () throws(BusError) in
            _ = try bus.call(Self.permanent("removeSource", source, on: bus))
          }
        } catch  where error.isFileError { kept.append(source) }
        // ZONE_CONFLICT: an administrator has moved it to another zone since.
        try tolerating(["NOT_ENABLED", "UNKNOWN_SOURCE", "ZONE_CONFLICT", "INVALID_ZONE"]) { () throws(BusError) in
          _ = try bus.call(Self.runtime("removeSource", source))
        }
      } catch { throw error.asKernelError("remove \(source)") }
    }
    return kept
  }

  public func missingSources(of sources: [ZoneSource]) throws(KernelError) -> [ZoneSource] {
    let bus = try openBus()
    var missingSources: [ZoneSource] = []
    for source in sources {
      do throws(BusError) {
        if try bus.call(Self.runtime("querySource", source)) != .flag(true) { missingSources.append(source) }
      } catch { throw error.asKernelError("look for \(source)") }
    }
    return missingSources
  }

  private static func runtime(_ method: String, _ source: ZoneSource) -> MethodCall {
    MethodCall(
      destination: name, path: object, interface: "\(name).zone", method: method,
      arguments: [source.zone, source.text])
  }

  private static func permanent(
    _ method: String, _ source: ZoneSource, on bus: borrowing SystemBus
  ) throws(BusError) -> MethodCall {
    let zone = try bus.call(
      MethodCall(
        destination: name, path: "\(object)/config", interface: "\(name).config", method: "getZoneByName",
        arguments: [source.zone]))
    guard case .text(let path) = zone, path.hasPrefix("/") else {
      throw BusError(name: "", message: "INVALID_ZONE: \(source.zone)")
    }
    return MethodCall(
      destination: name, path: path, interface: "\(name).config.zone", method: method,
      arguments: [source.text])
  }
}

private func tolerating(_ codes: [String], _ body: () throws(BusError) -> Void) throws(BusError) {
  do throws(BusError) { try body() } catch {
    guard codes.contains(where: error.has) else { throw error }
  }
}

extension BusError {
  /// The permanent configuration lacks the zone, or this firewalld has no permanent configuration.
  fileprivate static let noSuchObject = [
    "INVALID_ZONE", "org.freedesktop.DBus.Error.UnknownMethod", "org.freedesktop.DBus.Error.UnknownObject",
    "org.freedesktop.DBus.Error.UnknownInterface",
  ]

  /// The source cannot be permanent: it works until the next reload, and `cnictl repair` adds it again then.
  fileprivate static let notPermanent = noSuchObject + [fileError]

  /// The beginning of Python's words if a file cannot be written: `[Errno 30] Read-only file system: …`.
  private static let fileError = "[Errno "

  fileprivate var isFileError: Bool { has(Self.fileError) }

  /// Whether this is the bus's error of that name, or firewalld's message begins so: `ZONE_ALREADY_SET: …`.
  fileprivate func has(_ code: String) -> Bool { name == code || message.hasPrefix(code) }

  fileprivate func asKernelError(_ operation: String) -> KernelError {
    let errno: Errno =
      switch name {
      case "org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Timeout",
        "org.freedesktop.DBus.Error.TimedOut":
        .ETIMEDOUT
      case "org.freedesktop.DBus.Error.AccessDenied": .EACCES
      default: .EINVAL
      }
    return KernelError(operation, errno: errno, reason: message)
  }
}
