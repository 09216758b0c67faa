import CNI
import CNIJSON
import Testing

@Suite struct JSONTests {
  struct Sample: Decodable, Equatable {
    var mtu: Int?
    var names: [String]?
    var nested: Nested?
    var table: [String: String]?
    struct Nested: Decodable, Equatable { var flag: Bool? }
  }

  private func read(_ text: String) throws -> Sample { try CNIJSON.decode(Sample.self, from: Array(text.utf8)) }

  @Test func `keys match in any case, but names in a table stay as they are`() throws {
    let sample = try read(#"{"MTU":9,"Names":["A"],"nESTED":{"FLAG":true},"table":{"Key":"Value"}}"#)
    #expect(sample == Sample(mtu: 9, names: ["A"], nested: .init(flag: true), table: ["Key": "Value"]))
  }

  @Test(arguments: [
    (#"{"MTU":"big"}"#, "key \"MTU\": \"big\": want a whole number"),
    (#"{"mtu":1.5}"#, "key \"mtu\": 1.5: want a whole number of at most 64 bits"),
    (#"{"mtu":1e30}"#, "key \"mtu\": 1e+30: want a whole number of at most 64 bits"),
    (#"{"mtu":99999999999999999999}"#, "key \"mtu\": 1e+20: want a whole number of at most 64 bits"),
    (#"{"mtu":true}"#, "key \"mtu\": true: want a whole number"),
    (#"{"names":"A"}"#, "key \"names\": \"A\": want a list"),
    (#"{"names":[1]}"#, "key \"names[0]\": 1: want a string"),
    (#"{"nested":[]}"#, "key \"nested\": []: want an object"),
    (#"{"Nested":{"Flag":"yes"}}"#, "key \"Nested.Flag\": \"yes\": want true or false"),
    (#"{"nested":{"flag":1}}"#, "key \"nested.flag\": 1: want true or false"),
  ])
  func `a wrong value is told with its key as written`(text: String, message: String) {
    #expect(throws: CNIError(.invalidNetworkConfig, message)) { try read(text) }
  }

  @Test(arguments: ["", "{", "nonsense", #"{"mtu":}"#, "{}{}", "\u{0}", #"{"mtu":1"#])
  func `what is no JSON is code 6`(text: String) {
    #expect {
      try read(text)
    } throws: {
      ($0 as? CNIError)?.code == .decodingFailure
    }
  }

  @Test func `any value survives`() throws {
    let text = #"{"a":[1,2.5,true,null,"x/y",{"B":-9223372036854775808}]}"#
    #expect(String(decoding: try CNIJSON.encode(CNIJSON.decodeValue(Array(text.utf8))), as: UTF8.self) == text)
  }
}
