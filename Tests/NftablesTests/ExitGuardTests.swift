import Glibc
import Testing
@testable import Nftables

@Suite struct ExitGuardTests {
  @Test func `a library that calls exit does not end the process`() throws {
    let object = unsafe try #require(UnsafeMutableRawPointer(bitPattern: 8))
    let (status, end) = unsafe ExitGuard.run(
      { object, _ in
        errno = EMFILE
        if unsafe object != nil { exit(3) }
        return 0
      }, object, "")
    #expect(status == -1)
    #expect(end?.status == 3)
    #expect(end?.error == EMFILE)
    let (pointer, none) = unsafe ExitGuard.create({ unsafe UnsafeMutableRawPointer(bitPattern: UInt($0)) }, 8)
    #expect(unsafe pointer == object)
    #expect(none == nil)
  }
}
