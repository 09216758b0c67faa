import CNI
import CNIRuntime
import Testing

@Suite struct NetworkListTests {
  @Test func `a single configuration becomes a list with one plugin`() throws {
    let read = try list(#"{"cniVersion":"1.0.0","name":"blue","type":"none","x":1.5}"#)
    #expect(read.plugins.map(\.type.description) == ["none"])
    let kept = try NetworkList(read.bytes)
    #expect(kept.plugins == read.plugins)
    #expect(kept.version == .v1_0_0)
  }

  @Test func `a list keeps its bytes unchanged`() throws {
    let text = #"{ "name": "blue", "plugins": [ {"type":"bridge"} ] }"#
    #expect(try list(text).bytes == Array(text.utf8))
  }

  @Test(arguments: [
    (#""cniVersion":"0.4.0""#, SpecVersion.v0_4_0),
    (#""name":"blue""#, .v0_1_0),
    (#""cniVersion":"0.3.1","cniVersions":["0.4.0","1.0.0","9.0.0"]"#, .v1_0_0),
    (#""cniVersion":"1.1.0","cniVersions":["0.4.0"]"#, .v1_1_0),
  ])
  func `the newest version of cniVersion and cniVersions that is supported is used`(keys: String, version: SpecVersion)
    throws
  {
    #expect(try list(#"{"name":"blue",\#(keys),"plugins":[{"type":"none"}]}"#).version == version)
  }

  @Test func `disableCheck and disableGC are read as booleans and as strings`() throws {
    let read = try list(#"{"name":"blue","disableCheck":true,"disableGC":"True","plugins":[{"type":"none"}]}"#)
    #expect(read.disableCheck && read.disableGC && !read.onlyInlinedPlugins)
  }

  @Test func `a capability with the value false is not declared`() throws {
    let read = try list(#"{"name":"blue","plugins":[{"type":"a","capabilities":{"ips":true,"mac":false}}]}"#)
    #expect(read.plugins[0].capabilities == ["ips"])
    #expect(read.declares("ips") && !read.declares("mac"))
  }

  @Test(arguments: [
    ("{", "not valid JSON"),
    ("[]", "want a JSON object"),
    (#"{"plugins":[{"type":"a"}]}"#, #"missing key "name""#),
    (#"{"name":"../x","plugins":[{"type":"a"}]}"#, #"key "name": "../x""#),
    (#"{"name":7,"plugins":[{"type":"a"}]}"#, #"key "name": 7: want a string"#),
    (#"{"name":"blue"}"#, "no plugins"),
    (#"{"name":"blue","plugins":[]}"#, "no plugins"),
    (#"{"name":"blue","plugins":[7]}"#, #"key "plugins[0]": want an object"#),
    (#"{"name":"blue","plugins":[{"type":"a"},{}]}"#, #"missing key "plugins[1].type""#),
    (#"{"name":"blue","plugins":[{"type":"../a"}]}"#, #"key "plugins[0].type": "../a""#),
    (#"{"name":"blue","plugins":[{"type":"a","capabilities":[]}]}"#, #"key "plugins[0].capabilities""#),
    (#"{"name":"blue","plugins":[{"type":"a","capabilities":{"x":1}}]}"#, #"key "plugins[0].capabilities.x""#),
    (#"{"name":"blue","cniVersion":"7.0.0","plugins":[{"type":"a"}]}"#, "incompatible CNI versions"),
    (#"{"name":"blue","cniVersions":["7.0.0"],"plugins":[{"type":"a"}]}"#, "cniVersions"),
    (
      #"{"name":"blue","disableGC":"maybe","plugins":[{"type":"a"}]}"#, #"key "disableGC": "maybe": want true or false"#
    ),
  ])
  func `an invalid list is refused with the reason`(text: String, complaint: String) throws {
    let errorText = try refusal { _ = try list(text) }
    #expect(errorText.contains(complaint), "\(errorText)")
  }

  @Test(arguments: [
    ("bridge", "bridge"), ("none", "null"), ("loopback", "null"), ("host", "host"), ("macvlan", "macvlan"),
  ])
  func `the driver is the first plugin's type, and null for none and loopback`(type: String, driver: String) throws {
    #expect(try list(#"{"name":"blue","plugins":[{"type":"\#(type)"},{"type":"portmap"}]}"#).driver == driver)
  }
}
