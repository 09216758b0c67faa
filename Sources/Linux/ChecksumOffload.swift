import CLinux
import Glibc
public import NetTypes

/// The checksum offload of a link (`SIOCETHTOOL`), in this thread's network namespace.
public enum ChecksumOffload {
  /// - Throws: ENODEV if there is no such link, EOPNOTSUPP if it does not report the setting.
  public static func isOn(_ interface: String) throws(KernelError) -> Bool {
    let answer = unsafe cl_checksum_offload(interface, -1)
    guard answer >= 0 else { throw KernelError(errno: .last, doing: "read checksum offload of \(interface)") }
    return answer == 1
  }

  public static func set(_ interface: String, isOn: Bool) throws(KernelError) {
    guard unsafe cl_checksum_offload(interface, isOn ? 1 : 0) >= 0 else {
      throw KernelError(errno: .last, doing: "set checksum offload of \(interface) \(isOn ? "on" : "off")")
    }
  }
}
