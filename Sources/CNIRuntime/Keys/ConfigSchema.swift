public import CNI

/// JSON Schema (draft 2020-12) of network configurations, made from the key tables.
public enum ConfigSchema {
  /// One schema for each plugin, and those that refer to them by `type`.
  public static let names = (KeyTables.plugins + KeyTables.ipam).map(\.name) + shared

  /// Those that others refer to, and that of a network list.
  private static let shared = ["args", "runtimeConfig", "ipam", "plugin", "conflist"]

  /// The schema of that name, or of the plugin with that other name; `nil` for an unknown one.
  public static func schema(_ name: String) -> JSONValue? {
    switch name {
    case "conflist": object(Key.list, title: "A network list: plugins that are run one after the other.")
    case "args": open(Key.args, title: "What a runtime asks for one container.")
    case "runtimeConfig": open(Key.runtimeConfig, title: "What a runtime passes for the declared capabilities.")
    case "plugin": choice(of: KeyTables.plugins, required: ["type"], title: "One plugin of a network list.")
    case "ipam": choice(of: KeyTables.ipam, required: [], title: "The plugin that hands out addresses.")
    default:
      if let table = KeyTables.plugins.first(where: { $0.names.contains(name) }) {
        object(KeyTables.plugin(name) ?? [], of: table, title: table.title)
      } else if let table = KeyTables.ipam.first(where: { $0.names.contains(name) }) {
        object(table.keys, of: table, title: table.title)
      } else {
        nil
      }
    }
  }

  private static let draft: JSONValue = "https://json-schema.org/draft/2020-12/schema"

  /// The files that describe these keys of a plugin.
  private static let otherFiles = [
    "args": "args.json", "delegate": "plugin.json", "ipam": "ipam.json", "runtimeConfig": "runtimeConfig.json",
  ]

  private static func open(_ keys: [Key], title: String) -> JSONValue {
    .object(Shape.open(keys).schema.merging(["$schema": draft, "title": .string(title)]) { $1 })
  }

  private static func object(_ keys: [Key], of table: KeyTable? = nil, title: String) -> JSONValue {
    var schema = Shape.members(keys).schema
    var properties = schema["properties"]?.object ?? [:]
    if let table { properties["type"] = .object(["enum": .array(table.names.map { .string($0) })]) }
    for (key, file) in otherFiles {
      guard let description = properties[key]?["description"] else { continue }
      properties[key] = .object(reference(file).merging(["description": description]) { $1 })
    }
    if let list = properties["plugins"]?.object {
      properties["plugins"] = .object(list.merging(["items": .object(reference("plugin.json"))]) { $1 })
    }
    schema["properties"] = .object(properties)
    schema["$schema"] = draft
    schema["title"] = .string(title)
    return .object(schema)
  }

  private static func reference(_ file: String) -> [String: JSONValue] { ["$ref": .string(file)] }

  /// Refers to one of several schemas by `type`; other types are accepted as they are.
  private static func choice(of tables: [KeyTable], required: [JSONValue], title: String) -> JSONValue {
    let branches = tables.map { table -> JSONValue in
      let names = JSONValue.object(["enum": .array(table.names.map { .string($0) })])
      return .object([
        "if": .object(["properties": .object(["type": names]), "required": .array(["type"])]),
        "then": .object(reference("\(table.name).json")),
      ])
    }
    return .object([
      "$schema": draft, "title": .string(title), "type": "object", "required": .array(required),
      "properties": .object(["type": .object(["type": "string"])]), "allOf": .array(branches),
    ])
  }
}

extension Shape {
  /// The members of the schema of a value of this kind.
  fileprivate var schema: [String: JSONValue] {
    switch self {
    case .string, .address, .prefix, .mac, .subnet: ["type": "string"]
    case .bool: ["type": "boolean"]
    case .int: ["type": "integer"]
    case .object: ["type": "object"]
    case .off: ["const": .bool(false)]
    case .word(let words): ["enum": .array(words.map { .string($0) })]
    case .list(let element): ["type": "array", "items": .object(element.schema)]
    case .either(let shapes): ["anyOf": .array(shapes.map { .object($0.schema) })]
    case .open(let keys): Self.schema(of: keys)
    case .members(let keys): Self.schema(of: keys).merging(["additionalProperties": .bool(false)]) { $1 }
    }
  }

  private static func schema(of keys: [Key]) -> [String: JSONValue] {
    var schema: [String: JSONValue] = ["type": "object"]
    schema["properties"] = .object(Dictionary(keys.map { ($0.name, .object($0.schema)) }) { $1 })
    let required = keys.filter(\.isRequired).map { JSONValue.string($0.name) }
    if !required.isEmpty { schema["required"] = .array(required) }
    return schema
  }
}

extension Key {
  fileprivate var schema: [String: JSONValue] {
    var schema = shape.schema
    if let range {
      let limits: [String: JSONValue] = [
        "minimum": .integer(Int64(range.lowerBound)), "maximum": .integer(Int64(range.upperBound)),
      ]
      if isZeroAbsent {
        schema["anyOf"] = .array([.object(limits), .object(["const": .integer(0)])])
      } else {
        schema.merge(limits) { $1 }
      }
    }
    schema["description"] = .string(description)
    if let defaultValue { schema["default"] = defaultValue }
    return schema
  }

  /// The fallback, if it is a value rather than a description.
  private var defaultValue: JSONValue? {
    switch shape {
    case .bool: ["true", "false"].contains(fallback) ? .bool(fallback == "true") : nil
    case .int: Int64(fallback).map { .integer($0) }
    case .string, .word, .address:
      fallback.count > 2 && fallback.hasPrefix("`") && fallback.hasSuffix("`")
        && fallback.allSatisfy { $0 != " " && !($0.isUppercase && fallback.contains("NETWORK")) }
        ? .string(String(fallback.dropFirst().dropLast())) : nil
    default: nil
    }
  }
}
