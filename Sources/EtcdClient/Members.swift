import CNI
import Etcd
import Linux
import NetTypes

/// The members of a cluster, asked in turn until one answers.
struct Members: ~Copyable {
  private let config: EtcdConfig
  private var transfer: Transfer?
  private var token: String?
  /// The cluster was found to know no users.
  private var needsNoToken = false
  /// Who is asked first: who answered last.
  private var preferred = 0

  init(_ config: EtcdConfig) { self.config = config }

  /// A request and its answer, with a new token where the old one has ended.
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

  /// Tells what a watch brings until `body` returns false or the time is over.
  ///
  /// - Parameters:
  ///   - watch: what is watched, and from when.
  ///   - established: when the watch must have begun.
  ///   - deadline: when it ends.
  ///   - body: gets the events.
  /// - Throws: why it did not begin, or ended early.
  mutating func follow(
    _ watch: inout GatewayWatch, establishedUntil established: Clock, until deadline: Clock,
    _ body: (EtcdEvents) -> Bool
  ) throws(GatewayRefusal) {
    // What a stale token makes of a watch looks like a missing right: one that has just been given out is sure to be good.
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

  /// - Returns: whether a token was asked for.
  private mutating func logIn(until deadline: Clock) throws(GatewayRefusal) -> Bool {
    guard !needsNoToken, token == nil, let username = config.username else { return false }
    do throws(GatewayRefusal) {
      let answer = try post(.login(as: username, password: try password()), until: deadline)
      do throws(CNIError) { token = try answer.token() } catch { throw GatewayRefusal(.refused, error.message) }
    } catch  where error.kind == .hasNoUsers {
      // As etcd's own clients: a user may be configured before the cluster asks for one.
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
