import Linux
import NetTypes
import Testing

struct SharedLibraryTests {
  private func refusal(of file: String) -> KernelError? {
    do throws(KernelError) {
      _ = try unsafe SharedLibrary.load(file, package: "libt1")
      return nil
    } catch { return error }
  }

  @Test func `a library that is not installed is reported as missing with its package`() throws {
    let error = try #require(refusal(of: "libt-none.so.1"))
    #expect(error.meansUnsupported)
    #expect(error.reason.hasSuffix("No such file or directory; want the package libt1"))
  }

  @Test func `a library that cannot be read is not reported as missing`() throws {
    // Address 0 is not mapped, so reading it fails with EIO.
    let error = try #require(refusal(of: "/proc/self/mem"))
    #expect(error.errno == .EIO)
    #expect(error.isTemporary && !error.meansUnsupported)
  }
}
