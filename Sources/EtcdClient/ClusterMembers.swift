import CNI
import Etcd
import Linux
import NetTypes

/// The members of a cluster, tried in turn until one answers.
struct ClusterMembers: ~Copyable {
  private let config: EtcdConfig
  private var transfer: Transfer?
  private var token: String?
  /// Whether the cluster has answered that it has no authentication.
  private var needsNoToken = false
  /// The member to try first: the one that answered last.
  private var preferred = 0

  init(_ config: EtcdConfig) { self.config = config }

  /// Sends a request and returns its answer; gets a new token if the old one has expired.
  mutating func answer(_ request: GatewayRequest, until deadline: Clock) throws(GatewayError) -> GatewayAnswer {
    let isNew = try logIn(until: deadline)
    do throws(GatewayError) {
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
  ) throws(GatewayError) {
    // For a watch, etcd's answer to an expired token looks like a missing permission, so a new token is requested first.
    forgetToken()
    _ = try logIn(until: established)
    try open()
    var schedule = RetrySchedule(of: config.endpoints.count, first: preferred, until: established)
    while true {
      let firstLines: LineSplitter?, target = target(schedule)
      do throws(GatewayError) {
        firstLines = try transfer?.beginWatch(watch, to: target)
      } catch {
        try schedule.advance(after: error)
        continue
      }
      preferred = schedule.index
      guard let firstLines else { return }
      return try transfer?.follow(&watch, firstLines, until: deadline, body) ?? ()
    }
  }

  // MARK: pieces

  /// Requests a token if the configuration has a user and there is no token yet.
  ///
  /// - Returns: whether a token was requested.
  private mutating func logIn(until deadline: Clock) throws(GatewayError) -> Bool {
    guard !needsNoToken, token == nil, let username = config.username else { return false }
    do throws(GatewayError) {
      let answer = try post(.login(as: username, password: try password()), until: deadline)
      do throws(CNIError) { token = try answer.token() } catch { throw GatewayError(.refused, error.message) }
    } catch  where error.kind == .authenticationDisabled {
      // As etcd's own clients do: a user may be configured before the cluster has authentication.
      needsNoToken = true
    } catch  where error.kind == .staleToken {
      throw GatewayError(.refused, "log in as \(username): \(error.message)")
    }
    return true
  }

  private mutating func forgetToken() {
    token = nil
    needsNoToken = false
  }

  private func password() throws(GatewayError) -> String {
    guard let path = config.passwordFile else { return config.password ?? "" }
    do throws(KernelError) {
      let line = try Files.read(path, limit: 4096).prefix { $0 != UInt8(ascii: "\n") }
      return String(decoding: line, as: UTF8.self)
    } catch { throw GatewayError(.refused, "\(error)") }
  }

  private mutating func post(_ request: GatewayRequest, until deadline: Clock) throws(GatewayError) -> GatewayAnswer {
    try open()
    var schedule = RetrySchedule(of: config.endpoints.count, first: preferred, until: deadline)
    while true {
      let target = target(schedule)
      do throws(GatewayError) {
        guard let answer = try transfer?.post(request, to: target) else {
          throw GatewayError(.libraryMissing, "no libcurl")
        }
        preferred = schedule.index
        return answer
      } catch {
        try schedule.advance(after: error)
        preferred = schedule.index
      }
    }
  }

  private mutating func open() throws(GatewayError) {
    guard transfer == nil else { return }
    transfer = try Transfer.open()
  }

  private func target(_ schedule: RetrySchedule) -> RequestTarget {
    RequestTarget(
      config: config, endpoint: config.endpoints[schedule.index], token: token, milliseconds: schedule.milliseconds)
  }
}
