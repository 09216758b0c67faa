import CNI
import Foundation
import NetTypes
import Testing
@testable import Names

struct FaultTests {
  /// Throws before the change with this number, and counts the changes.
  private final class Fault {
    var step = 0
    let failing: Int
    init(at failing: Int) { self.failing = failing }

    func willChange(_ what: String) throws(KernelError) {
      step += 1
      if step == failing { throw KernelError(what, errno: .ENOSPC, reason: "No space left on device") }
    }
  }

  @Test(arguments: [false, true])
  func `a join that fails at any step changes nothing`(isFileThere: Bool) throws {
    try Net.use { net in
      for number in 1...2 { try net.join(number) }
      if isFileThere { try NetworkNamesTests.put("mine\n", at: net.hostsPath(3)) }
      let before = net.snapshot()
      var failing = 1
      while true {
        let fault = Fault(at: failing)
        do {
          try net.join(3, willChange: fault.willChange)
          break
        } catch let error as KernelError {
          #expect(error.errno == .ENOSPC)
          #expect(net.snapshot() == before, "after \(error.operation)")
          failing += 1
        }
      }
      #expect(failing > (isFileThere ? 5 : 7))
      #expect(try net.differences(3) == [])
    }
  }

  @Test func `a second join that fails keeps the lines of the container's other network`() throws {
    try Net.use { net in
      try net.join(1, on: "other")
      try net.join(2)
      let before = net.snapshot()
      for failing in 1...4 {
        #expect(throws: KernelError.self) { try net.join(1, willChange: Fault(at: failing).willChange) }
        #expect(net.snapshot() == before)
      }
      try net.join(1)
      #expect(net.live(1) == ["10.5.0.1\tc1", net.line(1, on: "other"), net.line(2), net.line(1)])
    }
  }
}
