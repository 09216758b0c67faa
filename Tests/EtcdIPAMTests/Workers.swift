import Foundation
import Synchronization

/// Runs `body` for 0 to `count` - 1, each on a thread of its own.
///
/// - Returns: the returned values, in order, without those of calls that threw.
func workers<Value: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) throws -> [Value]) -> [[Value]] {
  let results = Results<Value>()
  let group = DispatchGroup()
  for number in 0..<count {
    group.enter()
    Thread {
      let values = (try? body(number)) ?? []  // the tests count missing values
      results.keep(values, of: number)
      group.leave()
    }.start()
  }
  group.wait()
  return (0..<count).map { results.all[$0] ?? [] }
}

private final class Results<Value: Sendable>: Sendable {
  private let values = Mutex([Int: [Value]]())
  func keep(_ own: [Value], of number: Int) { values.withLock { $0[number] = own } }
  var all: [Int: [Value]] { values.withLock { $0 } }
}
