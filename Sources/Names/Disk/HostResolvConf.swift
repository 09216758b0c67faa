import CNI
import Glibc
import Linux
public import NetTypes

/// The host's own `resolv.conf`.
public struct HostResolvConf: Sendable {
  /// The host's file, and where systemd-resolved keeps what it itself asks while that file names only itself.
  private let path: String
  private let upstreamPath: String

  public init(path: String = "/etc/resolv.conf", upstreamPath: String = "/run/systemd/resolve/resolv.conf") {
    self.path = path
    self.upstreamPath = upstreamPath
  }

  /// What a container can use of it; nothing where there is no file; `notes` gets a line for one that cannot be read.
  ///
  /// - Throws: what may pass: the process is out of descriptors, the disk did not answer.
  public func wish(notes: inout [String]) throws(KernelError) -> ResolvConfWish {
    let text = try text(of: path, &notes)
    let wish = ResolvConfWish(host: text)
    let namesItself = DNS(resolvConf: text).nameservers.contains { IPAddress($0)?.isLoopback == true }
    guard wish.nameservers.isEmpty, namesItself else { return wish }
    let upstream = ResolvConfWish(host: try self.text(of: upstreamPath, &notes))
    // The stub's options are about the stub: edns0 and trust-ad hold for it alone.
    return upstream.nameservers.isEmpty ? wish : upstream
  }

  private func text(of path: String, _ notes: inout [String]) throws(KernelError) -> String {
    do throws(KernelError) {
      return String(decoding: try Files.readIfPresent(path) ?? [], as: UTF8.self)
    } catch {
      if error.mayPass { throw error }
      notes.append("\(path): the host's name servers are not known: \(error)")
      return ""
    }
  }
}
