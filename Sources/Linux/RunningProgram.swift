import CLinux
import Glibc
public import Kernel

/// A process by its number and the program it runs; never another one that gets the number later.
public struct RunningProgram: ~Copyable {
  private let process: Descriptor

  /// The process of that number; `nil` where there is none or it runs another program.
  ///
  /// The program is told by the file name in `/proc/PID/exe`; one that was replaced meanwhile counts.
  public static func find(_ number: Int32, named name: String) throws(KernelError) -> RunningProgram? {
    guard number > 0 else { return nil }
    let process: Descriptor
    do throws(KernelError) {
      process = Descriptor(adopting: Int32(try call("find process \(number)") { cl_open_process(number) }))
    } catch  where [ESRCH, EINVAL, ENOENT].contains(error.errno) { return nil }  // the latter two: a thread's number
    // Looked at once it is held: if it has ended and the number is another's, no signal reaches that one.
    guard let path = Files.linkTarget("/proc/\(number)/exe") else { return nil }
    let program = path.hasSuffix(deleted) ? path.dropLast(deleted.count) : path[...]
    return program.split(separator: "/").last.map { $0 == name } == true ? RunningProgram(process: process) : nil
  }

  /// What the kernel adds to the path of a file that is gone.
  private static let deleted = " (deleted)"

  private init(process: consuming Descriptor) { self.process = process }

  /// Nothing happens where it has ended.
  public func signal(_ signal: Int32) throws(KernelError) {
    do throws(KernelError) {
      _ = try call("signal a process") { cl_signal_process(process.raw, signal) }
    } catch  where error.errno == ESRCH {}
  }
}
