import CNI
import Glibc
import Linux
public import NetTypes

/// The host's `resolv.conf`, or systemd-resolved's list of upstream servers if the host's file lists only its stub.
public struct HostResolvConf: Sendable {
  /// The host's file, and the file where systemd-resolved lists its upstream servers.
  private let path: String
  private let upstreamPath: String

  public init(path: String = "/etc/resolv.conf", upstreamPath: String = StatePaths.resolvedServers) {
    self.path = path
    self.upstreamPath = upstreamPath
  }

  /// The entries that a container can use; empty if there is no file.
  ///
  /// `notes` gets a line for a file that cannot be read.
  ///
  /// - Throws: errors that may pass: no free file descriptor (EMFILE), an I/O error of the disk.
  public func entries(notes: inout [String]) throws(KernelError) -> PartialResolvConf {
    let text = try text(of: path, &notes)
    let entries = PartialResolvConf(host: text)
    let namesItself = DNS(resolvConf: text).nameservers.contains { IPAddress($0)?.isLoopback == true }
    guard entries.nameservers.isEmpty, namesItself else { return entries }
    let upstream = PartialResolvConf(host: try self.text(of: upstreamPath, &notes))
    // The stub's options (`edns0`, `trust-ad`) hold for the stub only, so they are not copied.
    return upstream.nameservers.isEmpty ? entries : upstream
  }

  private func text(of path: String, _ notes: inout [String]) throws(KernelError) -> String {
    do throws(KernelError) {
      return String(decoding: try Files.readIfPresent(path) ?? [], as: UTF8.self)
    } catch {
      if error.isTemporary { throw error }
      notes.append("\(path): the host's name servers are not known: \(error)")
      return ""
    }
  }
}
