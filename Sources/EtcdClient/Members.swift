import CNI
import Etcd
import Linux
import NetTypes

/// The members of a cluster, tried in turn until one answers.
struct Members: ~Copyable {
  private let config: EtcdConfig
  private var transfer: Transfer?
  private var token: String?
  /// Whether the cluster has answered that it has no authentication.
  private var needsNoToken = false
  /// The member to try first: the one that answered last.
  private var preferred = 0

  init(_ config: EtcdConfig) { self.config = config }

  /// Sends a request and returns its answer; gets a new token if the old one has expired.
  mutating func answer(_ request: GatewayRequest, until deadline: Clock) throws(GatewayRefusal) -> GatewayAnswer {
    let isNew = try logIn(until: deadline)
    do throws(GatewayRefusal) {
      return try post(request, until: deadline)
    } catch  where error.kind == .staleToken && config.username != nil && !isNew {
      forgetToken()
      _ = try logIn(until: deadline)
      return try post(request, until: deadline)
    }
  }

  /// Watches, and passes the events to `body` until it returns false or the time is over.
  ///
  /// - Parameters:
  ///   - watch: the keys to watch, and the first revision.
  ///   - established: when the watch must have begun.
  ///   - deadline: when the watch ends.
  ///   - body: gets the events.
  /// - Throws: the reason why it did not begin, or ended early.
  mutating func follow(
    _ watch: inout GatewayWatch, establishedUntil established: Clock, until deadline: Clock,
    _ body: (EtcdEvents) -> Bool
  ) throws(GatewayRefusal) {
    // For a watch, etcd's answer to an expired token looks like a missing permission, so a new token is requested first.
    forgetToken()
    _ = try logIn(until: established)
    try open()
    var turns = Turns(of: config.endpoints.count, first: preferred, until: established)
    while true {
      let begun: LineSplitter?, route = route(turns)
      do throws(GatewayRefusal) {
        begun = try transfer?.beginWatch(watch, by: route)
      } catch {
        try turns.goOn(after: error)
        continue
      }
      preferred = turns.index
      guard let begun else { return }
      return try transfer?.follow(&watch, begun, until: deadline, body) ?? ()
    }
  }

  // MARK: pieces

  /// Requests a token if the configuration has a user and there is no token yet.
  ///
  /// - Returns: whether a token was requested.
  private mutating func logIn(until deadline: Clock) throws(GatewayRefusal) -> Bool {
    guard !needsNoToken, token == nil, let username = config.username else { return false }
    do throws(GatewayRefusal) {
      let answer = try post(.login(as: username, password: try password()), until: deadline)
      do throws(CNIError) { token = try answer.token() } catch { throw GatewayRefusal(.refused, error.message) }
    } catch  where error.kind == .hasNoUsers {
      // As etcd's own clients do: a user may be configured before the cluster has authentication.
      needsNoToken = true
    } catch  where error.kind == .staleToken {
      throw GatewayRefusal(.refused, "log in as \(username): \(error.words)")
    }
    return true
  }

  private mutating func forgetToken() {
    token = nil
    needsNoToken = false
  }

  private func password() throws(GatewayRefusal) -> String {
    guard let path = config.passwordFile else { return config.password ?? "" }
    do throws(KernelError) {
      let line = try Files.read(path, limit: 4096).prefix { $0 != UInt8(ascii: "\n") }
      return String(decoding: line, as: UTF8.self)
    } catch { throw GatewayRefusal(.refused, "\(error)") }
  }

  private mutating func post(_ request: GatewayRequest, until deadline: Clock) throws(GatewayRefusal) -> GatewayAnswer {
    try open()
    var turns = Turns(of: config.endpoints.count, first: preferred, until: deadline)
    while true {
      let route = route(turns)
      do throws(GatewayRefusal) {
        guard let answer = try transfer?.post(request, by: route) else {
          throw GatewayRefusal(.notLoaded, "no libcurl")
        }
        preferred = turns.index
        return answer
      } catch {
        try turns.goOn(after: error)
        preferred = turns.index
      }
    }
  }

  private mutating func open() throws(GatewayRefusal) {
    guard transfer == nil else { return }
    transfer = try Transfer.open()
  }

  private func route(_ turns: Turns) -> Route {
    Route(config: config, endpoint: config.endpoints[turns.index], token: token, milliseconds: turns.milliseconds)
  }
}
