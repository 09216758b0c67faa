import CNI

/// A frame on a link.
public struct Frame: Equatable, Sendable {
  /// The VLAN of its tag; `nil` without a tag.
  public var vlan: Int?
  /// The EtherType behind the tag, 0x0800 for IPv4.
  public var etherType: Int
  /// The sender's MAC address.
  public var source: String
  /// Whether the namespace of the capture sent it.
  public var isOutgoing: Bool
}

extension Lab {
  /// The frames on a link, with tags, while `script` runs in `other`; the script may fail.
  public func frames(
    on link: String, in namespace: String, while script: String, in other: String
  ) throws -> [Frame] {
    let program = """
      from json import dump
      from struct import unpack
      from subprocess import DEVNULL, run
      from sys import argv, stdout
      from socket import AF_PACKET, SOCK_RAW, htons, socket
      link, namespace, script = argv[1:]
      AUXILIARY = 8  # PACKET_AUXDATA: the kernel takes tags off before a socket sees the frame
      wire = socket(AF_PACKET, SOCK_RAW, htons(3))
      wire.setsockopt(263, AUXILIARY, 1)
      wire.bind((link, 3))
      run(["nsenter", "--net=" + namespace, "sh", "-c", script], stdout=DEVNULL, stderr=DEVNULL, check=False)
      wire.setblocking(False)
      found = []
      while True:
          try:
              data, extra, _, sender = wire.recvmsg(2000, 100)
          except BlockingIOError:
              break
          status, _, _, _, _, tag, _ = unpack("@IIIHHHH", extra[0][2])
          kind = unpack("!H", data[12:14])[0]
          found.append({"vlan": tag & 0xfff if status & 16 else None, "type": kind, "source": data[6:12].hex(":"),
                        "outgoing": sender[2] == 4})
      dump(found, stdout)
      """
    let outcome = try run("/usr/bin/python3", ["-c", program, link, path(other), script], in: namespace)
    guard outcome.isSuccess, let found = outcome.json?.array else { throw Outcome.Unexpected(outcome: outcome) }
    return found.compactMap { frame in
      guard let type = frame.text("type").flatMap({ Int($0) }), let source = frame.text("source") else { return nil }
      return Frame(
        vlan: frame.text("vlan").flatMap { Int($0) }, etherType: type, source: source,
        isOutgoing: frame.text("outgoing") == "true")
    }
  }
}
