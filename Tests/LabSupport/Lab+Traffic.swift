import Foundation

extension Lab {
  /// Whether one ping is answered within a second.
  public func pings(_ address: String, from namespace: String) throws -> Bool {
    try run("/usr/bin/ping", ["-n", "-c1", "-W1", address], in: namespace).isSuccess
  }

  /// Whether a TCP connection from one namespace to a listener in the other transfers data in both directions.
  public func connects(from client: String, to address: String, in server: String) throws -> Bool {
    let program = """
      from ctypes import CDLL, get_errno
      from socket import AF_INET, AF_INET6, create_connection, socket
      from sys import argv
      client, server, address = argv[1:]
      def enter(name):
          with open("/run/netns/" + name) as file:
              if CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000): raise OSError(get_errno())
      enter(server)
      listener = socket(AF_INET6 if ":" in address else AF_INET)
      listener.bind((address, 0))
      listener.listen()
      enter(client)
      near = create_connection((address, listener.getsockname()[1]), 5)
      far, _ = listener.accept()
      near.sendall(b"there")
      far.sendall(b"back" if far.recv(5) == b"there" else b"fail")
      exit(near.recv(4) != b"back")
      """
    return try run("/usr/bin/python3", ["-c", program, client, server, address]).isSuccess
  }
}
