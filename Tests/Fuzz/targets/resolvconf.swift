import CNI
import Names
import NetTypes

/// A container's resolv.conf, made from any file of the host, has the same entries when it is read again.
func fuzz(_ bytes: [UInt8]) {
  let text = String(decoding: bytes, as: UTF8.self)
  let host = PartialResolvConf(host: text)
  require(!host.nameservers.contains(where: \.isLoopback), "\(text): a loopback server")
  var notes: [String] = []
  let file = ResolvConf([], host: host, hasIPv6: true, notes: &notes)
  require(file.nameservers.count <= 3, file.text)
  require(file.text.utf8.allSatisfy { $0 == UInt8(ascii: "\n") || (0x20...0x7E).contains($0) }, file.text)
  let again = ResolvConf([], host: PartialResolvConf(host: file.text), hasIPv6: true, notes: &notes)
  require(again == file, "\(file.text), then \(again.text)")
  checkTemplate(text)
}

/// A template is refused, or its path stays below its base.
func checkTemplate(_ text: String) {
  guard let network = NetworkName("n"), let container = ContainerID("c"), let interface = InterfaceName("i") else {
    return
  }
  do throws(CNIError) {
    let owner = AttachmentID(network: network, container: container, interface: interface)
    let path = try PathTemplate(text, key: "hostsFile").path(for: owner, namespacePath: text)
    require(path.description.hasPrefix(path.base) && !path.below.isEmpty, "\(path)")
    require(!path.below.contains { ["", ".", ".."].contains($0) || $0.utf8.contains(UInt8(ascii: "/")) }, "\(path)")
  } catch { require(error.code == .invalidNetworkConfig, "\(error)") }
}
