import CCurl
import CNI
import Etcd
import Linux

/// The member and the settings for sending a request.
struct RequestTarget {
  var config: EtcdConfig
  /// The member's URL: `https://10.0.0.1:2379`.
  var endpoint: String
  /// For the header `Authorization`.
  var token: String?
  /// The time for connection and answer together; `nil`: no limit.
  var milliseconds: Int?
}

/// libcurl with one transfer at a time; connections stay open for the next.
@safe
public struct Transfer: ~Copyable {
  /// The largest answer, in bytes.
  private static let limit = 64 << 20
  private static let connectMilliseconds = 1500

  private var functions: cc_library
  private let multi: UnsafeMutableRawPointer
  private let easy: UnsafeMutableRawPointer
  private let received: UnsafeMutablePointer<[UInt8]>
  private let errorBuffer: UnsafeMutablePointer<CChar>
  private var headers: UnsafeMutablePointer<curl_slist>?
  private var isAdded = false
  /// The certificate and key files in use, for errors.
  private var files: [String] = []

  /// Loads libcurl and makes its handles.
  ///
  /// - Throws: `libraryMissing`, naming the package of the library.
  static func open() throws(GatewayError) -> Transfer {
    let library = try CurlLibrary.load()
    // A TLS library that writes to a closed connection raises SIGPIPE, which would end the process.
    StandardStreams.ignoreBrokenPipes()
    guard let multi = library.functions.multi_init() else {
      throw GatewayError(.libraryMissing, "start libcurl: no memory")
    }
    guard let easy = library.functions.easy_init() else {
      _ = unsafe library.functions.multi_cleanup(multi)
      throw GatewayError(.libraryMissing, "start libcurl: no memory")
    }
    return unsafe Transfer(library.functions, adopting: multi, easy)
  }

  private init(
    _ functions: cc_library, adopting multi: UnsafeMutableRawPointer, _ easy: UnsafeMutableRawPointer
  ) {
    self.functions = functions
    unsafe self.multi = multi
    unsafe self.easy = easy
    unsafe received = .allocate(capacity: 1)
    unsafe received.initialize(to: [])
    unsafe errorBuffer = .allocate(capacity: Int(CURL_ERROR_SIZE))
    unsafe errorBuffer.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
  }

  deinit {
    if isAdded { _ = unsafe functions.multi_remove_handle(multi, easy) }
    unsafe functions.easy_cleanup(easy)
    _ = unsafe functions.multi_cleanup(multi)
    unsafe functions.slist_free_all(headers)
    unsafe received.deinitialize(count: 1).deallocate()
    unsafe errorBuffer.deallocate()
  }

  // MARK: a transfer

  /// Begins to send a body with POST.
  mutating func begin(_ path: String, _ body: [UInt8], to target: RequestTarget) throws(GatewayError) {
    end()
    unsafe functions.easy_reset(easy)
    unsafe received.pointee = []
    unsafe errorBuffer.pointee = 0
    // No signals for timeouts (libcurl's default), and no proxy of the environment.
    try set(CURLOPT_NOSIGNAL, 1)
    try set(CURLOPT_PROXY, "")
    try set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
    try set(CURLOPT_TCP_KEEPALIVE, 1)
    try set(CURLOPT_TCP_KEEPIDLE, 15)
    try set(CURLOPT_TCP_KEEPINTVL, 5)
    try set(CURLOPT_CONNECTTIMEOUT_MS, min(Self.connectMilliseconds, target.milliseconds ?? .max))
    if let milliseconds = target.milliseconds { try set(CURLOPT_TIMEOUT_MS, milliseconds) }
    try set(CURLOPT_URL, target.endpoint + path)
    files = [target.config.caFile, target.config.certFile, target.config.keyFile].compactMap { $0 }
    if let file = target.config.caFile { try set(CURLOPT_CAINFO, file) }
    if let file = target.config.certFile { try set(CURLOPT_SSLCERT, file) }
    if let file = target.config.keyFile { try set(CURLOPT_SSLKEY, file) }
    try check(unsafe cc_set_buffer(&functions, easy, CURLOPT_ERRORBUFFER, errorBuffer))
    try check(unsafe cc_set_size(&functions, easy, CURLOPT_POSTFIELDSIZE_LARGE, body.count))
    try check(
      unsafe body.withUnsafeBytes { unsafe cc_set_bytes(&functions, easy, CURLOPT_COPYPOSTFIELDS, $0.baseAddress) })
    try check(unsafe cc_set_writer(&functions, easy, receive))
    try check(unsafe cc_set_buffer(&functions, easy, CURLOPT_WRITEDATA, received))
    try setHeaders(token: target.token)
    guard unsafe functions.multi_add_handle(multi, easy) == CURLM_OK else { throw Self.broken }
    isAdded = true
  }

  /// Continues until data has arrived, the transfer has ended, or that much time has passed.
  ///
  /// - Returns: whether the transfer has ended.
  /// - Throws: the reason why it failed; `unavailable` also if its time is over.
  mutating func advance(milliseconds: Int) throws(GatewayError) -> Bool {
    let deadline = Clock.now.advanced(byMilliseconds: milliseconds)
    while true {
      var running: Int32 = 0, left: Int32 = 0
      guard unsafe functions.multi_perform(multi, &running) == CURLM_OK else { throw Self.broken }
      if running == 0, let message = unsafe functions.multi_info_read(multi, &left) {
        let result = unsafe cc_result(message)
        end()
        guard result == CURLE_OK else { throw failure(result) }
        return true
      }
      guard unsafe received.pointee.isEmpty, deadline.millisecondsLeft > 0 else { return false }
      let wait = Int32(clamping: deadline.millisecondsLeft)
      guard unsafe functions.multi_poll(multi, nil, 0, wait, nil) == CURLM_OK else { throw Self.broken }
    }
  }

  /// The bytes that have arrived since the last call.
  mutating func take() -> [UInt8] {
    let bytes = unsafe received.pointee
    unsafe received.pointee = []
    return bytes
  }

  /// The HTTP status; 0 until it has arrived.
  var status: Int {
    mutating get {
      var status = 0
      unsafe cc_get_number(&functions, easy, CURLINFO_RESPONSE_CODE, &status)
      return status
    }
  }

  /// Aborts a transfer that has not ended.
  mutating func end() {
    if isAdded { _ = unsafe functions.multi_remove_handle(multi, easy) }
    isAdded = false
  }

  // MARK: options

  private mutating func setHeaders(token: String?) throws(GatewayError) {
    unsafe functions.slist_free_all(headers)
    unsafe headers = nil
    // `hasleader` makes a member without a leader answer with an error at once.
    let token = token.map { ["Authorization: \($0)"] } ?? []
    for header in ["Content-Type: application/json", "Expect:", "Grpc-Metadata-hasleader: true"] + token {
      guard let longer = unsafe functions.slist_append(headers, header) else { throw Self.broken }
      unsafe headers = longer
    }
    try check(unsafe cc_set_list(&functions, easy, CURLOPT_HTTPHEADER, headers))
  }

  private mutating func set(_ option: CURLoption, _ value: Int) throws(GatewayError) {
    try check(unsafe cc_set_number(&functions, easy, option, value))
  }

  private mutating func set(_ option: CURLoption, _ value: String) throws(GatewayError) {
    try check(unsafe cc_set_text(&functions, easy, option, value))
  }

  private func check(_ result: CURLcode) throws(GatewayError) {
    guard result == CURLE_OK else { throw failure(result) }
  }

  private func failure(_ result: CURLcode) -> GatewayError {
    var message = unsafe String(cString: errorBuffer)
    if message.isEmpty {
      message = unsafe functions.easy_strerror(result).map { unsafe String(cString: $0) } ?? "error \(result.rawValue)"
    }
    var refusal = GatewayError(result, message: message)
    if refusal.kind == .untrusted, !files.isEmpty { refusal.message += ", with \(files.joined(separator: ", "))" }
    return refusal
  }

  private static let broken = GatewayError(.unavailable, "libcurl has no memory")

  private let receive: curl_write_callback = { bytes, size, count, target in
    let buffer = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
    guard let received = unsafe target?.assumingMemoryBound(to: [UInt8].self),
      unsafe received.pointee.count + buffer.count <= Transfer.limit
    else { return 0 }
    unsafe received.pointee.append(contentsOf: buffer)
    return buffer.count
  }
}

extension Transfer {
  /// Sends a request and returns its answer.
  mutating func post(_ request: GatewayRequest, to target: RequestTarget) throws(GatewayError) -> GatewayAnswer {
    try begin(request.path, request.body.bytes, to: target)
    var answer: [UInt8] = [], isOver = false
    while !isOver {
      isOver = try advance(milliseconds: 1000)
      answer += take()
    }
    let json = Self.json(answer)
    guard status == 200, let json else { throw GatewayError(status: status, body: json) }
    return GatewayAnswer(json)
  }

  /// Begins a watch, and waits until the member has accepted it.
  ///
  /// - Returns: the lines received so far.
  mutating func beginWatch(_ watch: GatewayWatch, to target: RequestTarget) throws(GatewayError) -> LineSplitter {
    var target = target, lines = LineSplitter()
    let deadline = Clock.now.advanced(byMilliseconds: target.milliseconds ?? 0)
    target.milliseconds = nil
    try begin(GatewayWatch.path, watch.body, to: target)
    while status != 200 || !lines.hasLine {
      let isOver = try advance(milliseconds: deadline.millisecondsLeft)
      lines.append(take())
      if isOver { throw GatewayError(status: status, body: Self.json(lines.rest)) }
      let isBegun = status == 200 && lines.hasLine
      guard isBegun || deadline.millisecondsLeft > 0 else { throw GatewayError(.unavailable, "no answer") }
    }
    return lines
  }

  /// Passes the events of a watch to `body`, all that wait at once, until it returns false or the time is over.
  mutating func follow(
    _ watch: inout GatewayWatch, _ lines: consuming LineSplitter, until deadline: Clock, _ body: (EtcdEvents) -> Bool
  ) throws(GatewayError) {
    defer { end() }
    var isOver = false
    while true {
      if !isOver { isOver = try receiveWaiting(&lines) }
      if let events = try Self.events(in: &lines, of: &watch) {
        guard body(events), !events.isCompacted else { return }
        continue
      }
      guard !isOver else { throw GatewayError(.unavailable, "the connection ended") }
      guard deadline.millisecondsLeft > 0 else { return }
      isOver = try advance(milliseconds: deadline.millisecondsLeft)
      lines.append(take())
    }
  }

  /// Receives what has arrived already, at most some megabytes.
  ///
  /// - Returns: whether the transfer has ended.
  private mutating func receiveWaiting(_ lines: inout LineSplitter) throws(GatewayError) -> Bool {
    for _ in 0..<256 {
      let isOver = try advance(milliseconds: 0), bytes = take()
      lines.append(bytes)
      if isOver || bytes.isEmpty { return isOver }
    }
    return false
  }

  /// The events in all complete lines, up to the end of the watch; `nil` if there are none.
  private static func events(
    in lines: inout LineSplitter, of watch: inout GatewayWatch
  ) throws(GatewayError) -> EtcdEvents? {
    var all: EtcdEvents?
    while all?.isCompacted != true, let line = lines.next() {
      guard let json = json(line) else { throw GatewayError(.refused, "etcd sent a line that is not JSON") }
      guard let events = try watch.events(in: json) else { continue }
      if all == nil { all = events } else { all?.append(events) }
    }
    return all
  }

  private static func json(_ bytes: [UInt8]) -> JSONValue? {
    do throws(CNIError) { return try CNIJSON.decodeValue(bytes) } catch { return nil }
  }
}

/// Cuts a stream into lines.
struct LineSplitter {
  private var bytes: [UInt8] = []
  /// Where the first line that was not returned yet begins.
  private var start = 0

  var rest: [UInt8] { Array(bytes[start...]) }

  var hasLine: Bool { bytes[start...].contains(UInt8(ascii: "\n")) }

  mutating func append(_ new: [UInt8]) {
    if start > 0 { bytes.removeSubrange(..<start) }
    start = 0
    bytes += new
  }

  /// The next complete line; `nil` if there is none yet.
  mutating func next() -> [UInt8]? {
    guard let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
    defer { start = end + 1 }
    return Array(bytes[start..<end])
  }
}
