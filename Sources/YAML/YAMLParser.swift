import CNI
import CYaml

/// libyaml's parser over bytes in memory, owned by this value.
@safe
struct YAMLParser: ~Copyable {
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let input: UnsafeMutableBufferPointer<UInt8>

  private static let deepest = 100

  /// - Throws: code 6 if there is no memory.
  init(_ bytes: [UInt8]) throws(CNIError) {
    unsafe parser = .allocate(capacity: 1)
    unsafe input = .allocate(capacity: bytes.count)
    _ = unsafe input.initialize(from: bytes)
    guard unsafe yaml_parser_initialize(parser) != 0 else {
      throw CNIError(.decodingFailure, "read YAML: out of memory")
    }
    unsafe yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
  }

  deinit {
    unsafe yaml_parser_delete(parser)
    unsafe parser.deallocate()
    unsafe input.deallocate()
  }

  mutating func documents() throws(CNIError) -> [JSONValue] {
    var documents: [JSONValue] = []
    while true {
      switch try next() {
      case .streamEnd: return documents
      case .documentStart: documents.append(try value(try next(), depth: 0))
      default: continue
      }
    }
  }

  private mutating func value(_ event: Event, depth: Int) throws(CNIError) -> JSONValue {
    guard depth < Self.deepest else { throw refusal("want at most \(Self.deepest) levels") }
    switch event {
    case .scalar(let value): return value
    case .sequenceStart:
      var elements: [JSONValue] = []
      while true {
        let element = try next()
        if case .end = element { return .array(elements) }
        elements.append(try value(element, depth: depth + 1))
      }
    case .mappingStart:
      var members: [String: JSONValue] = [:]
      while true {
        let key = try next()
        if case .end = key { return .object(members) }
        guard case .scalar(.string(let name)) = key else { throw refusal("want a string as key") }
        guard members[name] == nil else { throw refusal("key \"\(name)\" is given twice") }
        members[name] = try value(try next(), depth: depth + 1)
      }
    case .documentStart, .streamEnd, .end, .other: throw refusal("want a value")
    }
  }
}

extension YAMLParser {
  private enum Event {
    case documentStart, sequenceStart, mappingStart, streamEnd
    case scalar(JSONValue)
    /// The end of a list or a mapping.
    case end
    case other
  }

  private mutating func next() throws(CNIError) -> Event {
    var event = unsafe yaml_event_t()
    guard unsafe yaml_parser_parse(parser, &event) != 0 else { throw failure() }
    defer { unsafe yaml_event_delete(&event) }
    switch unsafe event.type {
    case YAML_DOCUMENT_START_EVENT: return .documentStart
    case YAML_STREAM_END_EVENT: return .streamEnd
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return .end
    case YAML_ALIAS_EVENT: throw refusal("aliases are not read: want the value itself")
    case YAML_SCALAR_EVENT: return .scalar(try unsafe scalar(event))
    case YAML_SEQUENCE_START_EVENT:
      try unsafe checkTag(event.data.sequence_start.tag, event.data.sequence_start.implicit)
      return .sequenceStart
    case YAML_MAPPING_START_EVENT:
      try unsafe checkTag(event.data.mapping_start.tag, event.data.mapping_start.implicit)
      return .mappingStart
    default: return .other
    }
  }

  private func scalar(_ event: yaml_event_t) throws(CNIError) -> JSONValue {
    let scalar = unsafe event.data.scalar
    let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
    let text = unsafe String(decoding: bytes, as: UTF8.self)
    if unsafe scalar.quoted_implicit != 0, unsafe scalar.style != YAML_PLAIN_SCALAR_STYLE { return .string(text) }
    if unsafe tag(scalar.tag) == "tag:yaml.org,2002:str" { return .string(text) }
    try unsafe checkTag(scalar.tag, scalar.plain_implicit)
    guard let value = PlainScalar.value(text) else {
      throw refusal("\(text): want a decimal number, or quotes if it is a text")
    }
    return value
  }

  private func tag(_ tag: UnsafeMutablePointer<yaml_char_t>?) -> String {
    unsafe tag.map { unsafe String(cString: $0) } ?? ""
  }

  private func checkTag(_ given: UnsafeMutablePointer<yaml_char_t>?, _ isImplicit: Int32) throws(CNIError) {
    guard isImplicit == 0, unsafe given != nil else { return }
    throw refusal("tag \(unsafe tag(given)): want no tags")
  }

  private func refusal(_ reason: String) -> CNIError { unsafe Self.error(parser.pointee.mark, reason) }

  private func failure() -> CNIError {
    let reason = unsafe parser.pointee.problem.map { unsafe String(cString: $0) } ?? "out of memory"
    return unsafe Self.error(parser.pointee.problem_mark, reason)
  }

  private static func error(_ mark: yaml_mark_t, _ reason: String) -> CNIError {
    CNIError(.decodingFailure, "not valid YAML", details: "line \(mark.line + 1), column \(mark.column + 1): \(reason)")
  }
}
