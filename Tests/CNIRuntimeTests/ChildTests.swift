import Glibc
import Linux
import Testing

/// The environment of a child process.
@Suite struct ChildTests {
  @Test func `a child process has no blocked signals even if the calling thread blocks them`() throws {
    var all = sigset_t(), before = sigset_t()
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_BLOCK, &all, &before)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    let status = try ChildProcess.run("/bin/cat", ["/proc/self/status"], environment: [], input: [], seconds: 10)
    let lines = String(decoding: status.output, as: UTF8.self).split(separator: "\n")
    #expect(lines.first { $0.hasPrefix("SigBlk:") } == "SigBlk:\t0000000000000000")
  }
}
