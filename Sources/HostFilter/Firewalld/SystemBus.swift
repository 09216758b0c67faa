import CDBus
import Glibc
import Linux
import NetTypes

/// A method call of D-Bus whose arguments are strings.
struct MethodCall {
  var destination: String
  var path: String
  var interface: String
  var method: String
  /// The arguments, at most two.
  var arguments: [String] = []
}

/// The first value of a reply.
enum Reply: Equatable {
  case text(String)
  case flag(Bool)
  case other
}

/// An error reply, or no reply.
struct BusError: Error {
  /// For instance `org.freedesktop.DBus.Error.NoReply`.
  var name: String
  var message: String
}

/// A connection to the system bus.
@safe
public struct SystemBus: ~Copyable {
  /// The time limit of one call, libdbus's own default.
  private static let milliseconds: Int32 = 25_000

  private var functions: cd_library
  private let connection: OpaquePointer

  private static var configuredAddress: String? {
    Environment["DBUS_SYSTEM_BUS_ADDRESS"].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// Whether the bus has another address than usual, or its socket exists.
  static var mayRun: Bool { configuredAddress != nil || Files.exists(StatePaths.systemBus) }

  /// Connects, and loads libdbus if the bus's socket exists.
  ///
  /// - Throws: ENOTCONN if there is no bus; ENOENT if libdbus is missing.
  static func open() throws(KernelError) -> SystemBus {
    let address = configuredAddress ?? "unix:path=\(StatePaths.systemBus)"
    let operation = "connect to the system bus at \(address)"
    guard mayRun else {
      throw KernelError(operation, errno: .ENOTCONN, reason: "no such socket")
    }
    let functions = try Libdbus.load().functions
    var failure = unsafe cd_error()
    unsafe functions.error_init(&failure)
    guard let connection = unsafe functions.connection_open_private(address, &failure) else {
      let error = unsafe error(functions, &failure)
      throw KernelError(operation, errno: .ENOTCONN, reason: error.message)
    }
    let bus = unsafe SystemBus(functions, adopting: connection)
    let hello = MethodCall(
      destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus",
      method: "Hello")
    do throws(BusError) { _ = try bus.call(hello) } catch {
      throw KernelError(operation, errno: .ENOTCONN, reason: error.message)
    }
    return bus
  }

  private init(_ functions: cd_library, adopting connection: OpaquePointer) {
    self.functions = functions
    unsafe self.connection = connection
  }

  deinit {
    unsafe functions.connection_close(connection)
    unsafe functions.connection_unref(connection)
  }

  /// Calls the method and waits for its reply.
  borrowing func call(_ methodCall: MethodCall) throws(BusError) -> Reply {
    var failure = unsafe cd_error(), functions = functions
    unsafe functions.error_init(&failure)
    let first = methodCall.arguments.first, second = methodCall.arguments.dropFirst().first
    let reply = unsafe cd_call(
      &functions, connection, methodCall.destination, methodCall.path, methodCall.interface, methodCall.method, first,
      second,
      Self.milliseconds, &failure)
    guard let reply = unsafe reply else { throw unsafe Self.error(functions, &failure) }
    defer { unsafe functions.message_unref(reply) }
    if let text = unsafe cd_text(&functions, reply) { return .text(unsafe String(cString: text)) }
    let flag = unsafe cd_flag(&functions, reply)
    return flag < 0 ? .other : .flag(flag == 1)
  }

  private static func error(_ functions: cd_library, _ failure: inout cd_error) -> BusError {
    defer { unsafe functions.error_free(&failure) }
    let name = unsafe failure.name.map { unsafe String(cString: $0) } ?? "org.freedesktop.DBus.Error.NoMemory"
    let message = unsafe failure.message.map { unsafe String(cString: $0) } ?? "no memory"
    return BusError(name: name, message: message)
  }
}
