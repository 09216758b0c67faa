import BaseSupport
import Foundation
import Linux
import NetTypes
import Synchronization
import Testing

@Suite struct DirectoryTests {
  @Test func `concurrent calls that make the same directories all succeed`() throws {
    let failures = Atomic(0)
    try inTemporaryDirectory { root in
      for round in 0..<200 {
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
          do throws(KernelError) {
            try Files.makeDirectories("\(root)/\(round)/a/b/c")
          } catch { failures.add(1, ordering: .relaxed) }
        }
      }
    }
    #expect(failures.load(ordering: .relaxed) == 0)
  }
}
