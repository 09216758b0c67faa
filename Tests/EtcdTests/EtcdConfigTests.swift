import CNI
import Etcd
import Testing

@Suite struct `The etcd configuration` {
  private func config(_ text: String) throws(CNIError) -> EtcdConfig {
    try EtcdConfig(JSONReader(try CNIJSON.decodeValue(Array(text.utf8)), path: "controlPlane"))
  }

  @Test func `the etcd configuration is read with every key`() throws {
    var wanted = EtcdConfig(endpoints: ["https://10.0.0.1:2379", "http://[fd00::1]:2379"])
    wanted.caFile = "/ca"
    wanted.certFile = "/cert"
    wanted.keyFile = "/key"
    wanted.username = "net"
    wanted.password = "secret"
    let text = """
      {"endpoints": ["https://10.0.0.1:2379/", "http://[fd00::1]:2379"], "caFile": "/ca", "certFile": "/cert",
       "keyFile": "/key", "username": "net", "password": "secret"}
      """
    #expect(try config(text) == wanted)
    wanted = EtcdConfig(endpoints: ["http://a:1"])
    #expect(try config(#"{"endpoints": "http://a:1/", "caFile": "", "username": ""}"#) == wanted)
    wanted.username = "net"
    wanted.passwordFile = "/secret"
    #expect(try config(#"{"endpoints": "http://a:1", "username": "net", "passwordFile": "/secret"}"#) == wanted)
  }

  @Test(arguments: [
    ("{}", #"key "controlPlane.endpoints": missing: want addresses of etcd: http://127.0.0.1:2379"#),
    (#"{"endpoints": []}"#, #"key "controlPlane.endpoints": missing: want addresses of etcd: http://127.0.0.1:2379"#),
    (
      #"{"endpoints": ["10.0.0.1:2379"]}"#,
      #"key "controlPlane.endpoints[0]": "10.0.0.1:2379": want http:// or https://, a host and a port"#
    ),
    (
      #"{"endpoints": "ftp://a"}"#,
      #"key "controlPlane.endpoints": "ftp://a": want http:// or https://, a host and a port"#
    ),
    (#"{"endpoints": 7}"#, #"key "controlPlane.endpoints": 7: want a list"#),
    (#"{"endpoints": "http://a", "certFile": "/c"}"#, #"keys "certFile" and "keyFile": want both or neither"#),
    (#"{"endpoints": "http://a", "keyFile": "/k"}"#, #"keys "certFile" and "keyFile": want both or neither"#),
    (#"{"endpoints": "http://a", "username": "u"}"#, #"keys "username" and "password": want both or neither"#),
    (#"{"endpoints": "http://a", "password": "p"}"#, #"keys "username" and "password": want both or neither"#),
    (
      #"{"endpoints": "http://a", "passwordFile": "/p"}"#, #"keys "username" and "passwordFile": want both or neither"#
    ),
    (
      #"{"endpoints": "http://a", "username": "u", "password": "p", "passwordFile": "/p"}"#,
      #"keys "password" and "passwordFile": want only one of the keys"#
    ),
  ])
  func `an invalid etcd configuration is refused`(text: String, message: String) {
    #expect(throws: CNIError(.invalidNetworkConfig, message)) { try config(text) }
  }
}
