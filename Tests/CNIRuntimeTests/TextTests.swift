import CNI
import CNIRuntime
import NetTypes
import Testing

@Suite struct TextTests {
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      String(repeating: "a", count: 1000),
      "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"
    ),
  ])
  func `SHA-256 gives the standard's digests`(text: String, digest: String) {
    #expect(SHA256.hex(text) == digest)
  }

  @Test func `formatted JSON has names first and empty values on one line`() throws {
    let value = try json(#"{"z":[],"a":{"b":[1,true,null,"/\"x"]},"name":"n","containers":{}}"#)
    #expect(
      value.pretty() == #"""
        {
          "name": "n",
          "a": {
            "b": [
              1,
              true,
              null,
              "/\"x"
            ]
          },
          "containers": {},
          "z": []
        }
        """#)
  }

  @Test(arguments: [
    ("8080:80", ["8080→80/tcp"]), ("53:53/udp", ["53→53/udp"]), ("127.0.0.1:1:65535/SCTP", ["127.0.0.1 1→65535/sctp"]),
    ("[fd00::1]:80:81", ["fd00::1 80→81/tcp"]), ("8000-8002:90-92", ["8000→90/tcp", "8001→91/tcp", "8002→92/tcp"]),
  ])
  func `port mappings are parsed as operators write them`(text: String, ports: [String]) throws {
    let read = try #require(PortMapping.parse(text)).map { mapping in
      (mapping.hostAddress.map { "\($0) " } ?? "") + "\(mapping.hostPort)→\(mapping.containerPort)/\(mapping.transport)"
    }
    #expect(read == ports)
  }

  @Test(arguments: [
    "", "80", ":", "0:80", "80:0", "65536:1", "80:80/icmp", "80:80/tcp/udp", "1-2:1-3", "2-1:2-1", "x:80:80",
    "80:80:80:80",
    "-1:80", "1-2-3:1-2-3",
  ])
  func `an invalid port mapping is refused`(text: String) {
    #expect(PortMapping.parse(text) == nil)
  }

  @Test(arguments: [("K=v", "K", "v"), ("K=", "K", ""), ("K=a=b", "K", "a=b")])
  func `an argument is split at its first equals sign`(pair: String, key: String, value: String) throws {
    #expect(try #require(NetworkAttachment.Argument(pair: pair)) == NetworkAttachment.Argument(key, value))
  }

  @Test(arguments: ["", "K", "=v", "K=v;L=w"])
  func `an argument that CNI_ARGS cannot carry is refused`(pair: String) {
    #expect(NetworkAttachment.Argument(pair: pair) == nil)
  }
}
