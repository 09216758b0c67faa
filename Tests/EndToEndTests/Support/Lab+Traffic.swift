import Foundation

extension Lab {
  /// Whether one packet is answered within a second.
  func pings(_ address: String, from namespace: String) throws -> Bool {
    try run("/usr/bin/ping", ["-n", "-c1", "-W1", address], in: namespace).isSuccess
  }

  /// Whether a TCP connection from one namespace to a listener in the other carries data both ways.
  func connects(from client: String, to address: String, in server: String) throws -> Bool {
    let program = """
      import ctypes, os, socket, sys
      client, server, address = sys.argv[1:]
      def enter(name):
          with open("/run/netns/" + name) as file:
              if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000): raise OSError(ctypes.get_errno())
      family = socket.AF_INET6 if ":" in address else socket.AF_INET
      enter(server)
      listener = socket.socket(family)
      listener.bind((address, 0))
      listener.listen()
      enter(client)
      near = socket.create_connection((address, listener.getsockname()[1]), 5)
      far, _ = listener.accept()
      near.sendall(b"there")
      far.sendall(b"back" if far.recv(5) == b"there" else b"fail")
      sys.exit(near.recv(4) != b"back")
      """
    return try run("/usr/bin/python3", ["-c", program, client, server, address]).isSuccess
  }
}
