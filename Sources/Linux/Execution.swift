import CLinux
public import NetTypes

/// Another program in the place of this one.
public enum Execution {
  /// Replaces this process by an executable, with the same environment and name (`argv[0]`), one argument, and `input` as its
  /// standard input (execve(2)).
  ///
  /// - Returns: the kernel's error; does not return otherwise.
  public static func replaceProcess(by executable: String, argument: String, input: [UInt8]) -> KernelError {
    _ = unsafe cl_execute_with_input(executable, argument, input, input.count)
    return KernelError(errno: .last, doing: "execute \(executable)")
  }
}
