import Foundation
import Synchronization

/// Runs `body` for 0 to `count` - 1 on several threads, and waits for all of them.
///
/// The workers are separate threads, because a test mostly waits for other processes.
///
/// - Returns: what each call returned or threw, in order.
public func atOnce<Value: Sendable>(
  _ count: Int, workers: Int = 8, _ body: @escaping @Sendable (Int) throws -> Value
) -> [Result<Value, any Error>] {
  let work = AtOnce<Value>(count: count)
  let group = DispatchGroup()
  for _ in 0..<workers {
    group.enter()
    Thread {
      while let index = work.take() { work.keep(Result { try body(index) }, at: index) }
      group.leave()
    }.start()
  }
  group.wait()
  return work.results
}

private final class AtOnce<Value: Sendable>: Sendable {
  private let count: Int
  private let state = Mutex((next: 0, done: [Int: Result<Value, any Error>]()))

  init(count: Int) { self.count = count }

  func take() -> Int? {
    state.withLock { state in
      defer { state.next += 1 }
      return state.next < count ? state.next : nil
    }
  }

  func keep(_ result: Result<Value, any Error>, at index: Int) { state.withLock { $0.done[index] = result } }

  var results: [Result<Value, any Error>] { state.withLock { state in (0..<count).compactMap { state.done[$0] } } }
}
