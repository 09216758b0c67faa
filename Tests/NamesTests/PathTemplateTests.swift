import CNI
import Names
import NetTypes
import Testing

@Suite struct PathTemplateTests {
  static func owner(_ container: String = "abc") throws -> AttachmentID {
    try AttachmentID(
      network: #require(NetworkName("blue")), container: #require(ContainerID(container)),
      interface: #require(InterfaceName("eth0")))
  }

  @Test(
    arguments: [
      ("/run/x/{containerID}/hosts", "/run/x", "/run/x/abc/hosts"),
      ("/{containerID}", "/", "/abc"),
      ("/etc/netns/{netnsName}/hosts", "/etc/netns", "/etc/netns/n1/hosts"),
      ("/x/{network}/a-{containerID}.hosts", "/x", "/x/blue/a-abc.hosts"),
      ("/a/b/{network}{netnsName}/c/{containerID}", "/a/b", "/a/b/bluen1/c/abc"),
    ])
  func `a template is split into a base directory and the path below it`(text: String, base: String, path: String)
    throws
  {
    let filled = try PathTemplate(text, key: "hostsFile").path(for: Self.owner(), namespacePath: "/run/netns/n1")
    #expect(filled.base == base)
    #expect(filled.description == path)
    #expect(try CNIJSON.decode(ContainerPath.self, from: filled.json.bytes) == filled)
  }

  @Test(
    arguments: [
      "", "hosts", "x/{containerID}", "/x/../{containerID}", "/x/./{containerID}", "/x//{containerID}",
      "/x/{containerID}/", "/x/{containerID}/..", "/x/{containerid}", "/x/{container", "/x/containerID}", "/x/{}",
      "/x/{{containerID}}", "/x/hosts", "/x/{network}/hosts", "/x/\n{containerID}", "/x/\0{containerID}",
    ])
  func `a template that is no absolute path or not unique per container is refused`(text: String) throws {
    let error = #expect(throws: CNIError.self) { _ = try PathTemplate(text, key: "hostsFile") }
    #expect(error?.code == .invalidNetworkConfig)
    #expect(error?.message.hasPrefix(#"key "hostsFile": "#) == true)
  }

  @Test(
    arguments: [
      "", "/run/netns/", "/run/netns/..", "/run/netns/.", "/proc/7/ns/net", "/proc/self/fd/3", "/x/a\nb",
      "/x/{network}",
    ])
  func `a namespace path without a usable name is refused`(namespace: String) throws {
    let template = try PathTemplate("/etc/netns/{netnsName}/hosts", key: "files")
    let error = #expect(throws: CNIError.self) {
      _ = try template.path(for: Self.owner(), namespacePath: namespace)
    }
    #expect(error?.code == .invalidNetworkConfig)
  }

  @Test(arguments: [255, 256, 300])
  func `a container ID too long for a file name is replaced by a hash of 13 characters`(length: Int) throws {
    let template = try PathTemplate("/x/{containerID}/hosts", key: "hostsFile")
    let id = String(repeating: "a", count: length)
    let path = try template.path(for: Self.owner(id), namespacePath: "").description
    #expect(path == "/x/\(length <= 255 ? id : AttachmentID.shortHash(id))/hosts")
  }

  @Test func `a path component too long for a file name is refused`() throws {
    let template = try PathTemplate("/x/\(String(repeating: "a", count: 250)){containerID}", key: "hostsFile")
    #expect(throws: CNIError.self) { _ = try template.path(for: Self.owner("abcdef"), namespacePath: "") }
  }

  @Test(
    arguments: [
      (
        #"{}"#,
        ["/run/cni/containers/abc/hosts", "/run/cni/containers/abc/resolv.conf", "/run/cni/containers/abc/hostname"]
      ),
      (#"{"dir": "/x"}"#, ["/x/abc/hosts", "/x/abc/resolv.conf", "/x/abc/hostname"]),
      (#"{"files": "netns"}"#, ["/etc/netns/n1/hosts", "/etc/netns/n1/resolv.conf", "/etc/netns/n1/hostname"]),
      (
        #"{"files": "mesos", "resolvConf": "/y/{containerID}", "hostnameFile": false}"#,
        ["/var/run/mesos/isolators/network/cni/abc/hosts", "/y/abc"]
      ),
      (#"{"hostsFile": false, "resolvConf": false, "hostnameFile": false}"#, []),
    ])
  func `presets and keys set the path of each file`(json: String, paths: [String]) throws {
    let files = try CNIJSON.decode(FileTemplates.self, from: Array(json.utf8))
    let found = try [files.hosts, files.resolvConf, files.hostname].compactMap(\.self).map {
      try $0.path(for: Self.owner(), namespacePath: "/run/netns/n1").description
    }
    #expect(found == paths)
  }

  @Test(
    arguments: [
      (#"{"files": "docker"}"#, #"key "files": "docker": want one of netns, mesos, dir"#),
      (#"{"files": 1}"#, #"key "files": 1: want a string"#),
      (#"{"files": "netns", "dir": "/x"}"#, #"key "dir": "/x": want it only with "files": "dir""#),
      (#"{"dir": "x"}"#, #"key "dir": "x/{containerID}/hosts": want an absolute path of at most 4000 bytes"#),
      (
        #"{"dir": "/x/.."}"#,
        #"key "dir": "/x/../{containerID}/hosts": want a path without empty, '.' or '..' components"#
      ),
      (#"{"resolvConf": true}"#, #"key "resolvConf": true: want a string"#),
    ])
  func `an invalid path is refused with key and value`(json: String, message: String) {
    let error = #expect(throws: CNIError.self) {
      _ = try CNIJSON.decode(FileTemplates.self, from: Array(json.utf8))
    }
    #expect(error?.message == message)
  }

  @Test(
    arguments: [
      #"{"base": "/x", "below": ["..", "y"], "key": "k"}"#, #"{"base": "/x", "below": ["a/../../b"], "key": "k"}"#,
      #"{"base": "/x", "below": [], "key": "k"}"#, #"{"base": "x", "below": ["y"], "key": "k"}"#,
    ])
  func `a stored path outside its base is refused`(json: String) {
    #expect(throws: CNIError.self) { _ = try CNIJSON.decode(ContainerPath.self, from: Array(json.utf8)) }
  }
}
