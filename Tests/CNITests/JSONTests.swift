import CNI
import NetTypes
import Testing

@Suite struct JSONTests {
  struct Sample: JSONReadable, Equatable {
    var mtu: Int?
    var names: [String]?
    var nested: Nested?
    var address: IPAddress?

    init(_ json: JSONReader) throws(CNIError) {
      mtu = try json.integer("mtu")
      names = try json.texts("names")
      nested = try json.object("nested")
      address = try json.parsed("address")
    }

    struct Nested: JSONReadable, Equatable {
      var flag: Bool?
      init(_ json: JSONReader) throws(CNIError) { flag = try json.flag("flag") }
    }
  }

  private func read(_ text: String) throws -> Sample { try CNIJSON.decode(Sample.self, from: Array(text.utf8)) }

  @Test func `JSON keys match in upper and lower case`() throws {
    let sample = try read(#"{"MTU":9,"Names":["A"],"nESTED":{"FLAG":true},"Address":"10.0.0.1"}"#)
    #expect(sample.mtu == 9 && sample.names == ["A"] && sample.nested?.flag == true)
    #expect(sample.address == IPAddress("10.0.0.1"))
  }

  @Test func `null and empty strings count as absent`() throws {
    let sample = try read(#"{"mtu":null,"names":null,"nested":null,"address":""}"#)
    #expect(sample.mtu == nil && sample.names == nil && sample.nested == nil && sample.address == nil)
  }

  @Test(arguments: [
    (#"{"MTU":"big"}"#, "key \"MTU\": \"big\": want a whole number"),
    (#"{"mtu":1.5}"#, "key \"mtu\": 1.5: want a whole number"),
    (#"{"mtu":1e30}"#, "key \"mtu\": 1e+30: want a whole number"),
    (#"{"mtu":99999999999999999999}"#, "key \"mtu\": 1e+20: want a whole number"),
    (#"{"mtu":true}"#, "key \"mtu\": true: want a whole number"),
    (#"{"names":"A"}"#, "key \"names\": \"A\": want a list"),
    (#"{"names":[1]}"#, "key \"names[0]\": 1: want a string"),
    (#"{"nested":[]}"#, "key \"nested\": []: want an object"),
    (#"{"Nested":{"Flag":"yes"}}"#, "key \"Nested.Flag\": \"yes\": want true or false"),
    (#"{"nested":{"flag":1}}"#, "key \"nested.flag\": 1: want true or false"),
    (#"{"address":"nowhere"}"#, "key \"address\": \"nowhere\": want an IPv4 or IPv6 address"),
    (#"{"address":7}"#, "key \"address\": 7: want a string"),
  ])
  func `a wrong value is reported with its key as written`(text: String, message: String) {
    #expect(throws: CNIError(.invalidNetworkConfig, message)) { try read(text) }
  }

  @Test(arguments: ["", "{", "nonsense", #"{"mtu":}"#, "{}{}", "\u{0}", #"{"mtu":1"#, "[]", "1", "null", "\"x\""])
  func `input that is not a JSON object is refused with code 6`(text: String) {
    #expect {
      try read(text)
    } throws: {
      ($0 as? CNIError)?.code == .decodingFailure
    }
  }

  @Test(arguments: [
    ("", "line 1, column 1: unexpected token near end of file"),
    ("{\n  \"name\": \"blue\",\n}", "line 3, column 1: string or '}' expected near '}'"),
    ("{\n  \"ä\": \"x\"\n  \"b\": 1}", "line 3, column 5: '}' expected near '\"b\"'"),
    ("[1 2]", "line 1, column 4: ']' expected near '2'"), ("{} x", "line 1, column 4: end of file expected near 'x'"),
    ("\u{FEFF}{}", "line 1, column 1: invalid token near '\u{FEFF}'"),
  ])
  func `a JSON syntax error is reported with its position`(text: String, place: String) {
    #expect(throws: CNIError(.decodingFailure, "not valid JSON", details: place)) { try read(text) }
  }

  @Test func `JSON nesting has a limit`() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(throws: CNIError.self) { try read(deep) }
  }

  @Test func `strings are the same after escaping and parsing`() throws {
    let text = "a\"b\\c\n\t\r\u{1}\u{1F}é😀/\u{7F}"
    #expect(try CNIJSON.decodeValue(JSONValue.string(text).bytes) == .string(text))
    #expect(JSONValue.string("\u{1}\n").text == #""\u0001\n""#)
  }

  @Test func `any JSON value is the same after parsing and writing`() throws {
    let text = #"{"a":[1,2.5,true,null,"x/y",{"B":-9223372036854775808}]}"#
    #expect(try CNIJSON.decodeValue(Array(text.utf8)).text == text)
  }
}
