import Etcd
import Linux

/// Decides which member is tried next, and for how long.
struct RetrySchedule {
  private static let pauseMilliseconds = 200
  private static let attemptMilliseconds = (minimum: 500, maximum: 3000)

  /// The member to try now.
  private(set) var index: Int
  private let count: Int
  private let deadline: Clock
  /// The errors of the members in this round.
  private var round: [GatewayError] = []

  init(of count: Int, first: Int, until deadline: Clock) {
    index = first
    self.count = count
    self.deadline = deadline
  }

  /// The time for this member: its share of the time left, in milliseconds.
  var milliseconds: Int {
    let share = deadline.millisecondsLeft / max(1, count - round.count)
    return min(max(share, Self.attemptMilliseconds.minimum), Self.attemptMilliseconds.maximum)
  }

  /// Goes to the next member.
  ///
  /// After all members it pauses and begins a new round, if there is time left and a member may soon have a leader again: an
  /// election takes a second or two.
  ///
  /// - Throws: the errors of the round if no member is left to try.
  mutating func advance(after refusal: GatewayError) throws(GatewayError) {
    switch refusal.kind {
    case .unreachable, .unavailable, .untrusted: round.append(refusal)
    case .retryLater, .staleToken, .authenticationDisabled, .leaseNotFound, .libraryMissing, .refused: throw refusal
    }
    index = (index + 1) % count
    let isRoundOver = round.count == count
    guard isRoundOver || deadline.millisecondsLeft == 0 else { return }
    guard deadline.millisecondsLeft > Self.pauseMilliseconds, round.contains(where: { $0.kind == .unavailable }) else {
      throw Self.joined(round)
    }
    round = []
    Clock.sleep(milliseconds: Self.pauseMilliseconds)
  }

  /// A temporary error takes precedence over a permanent one: another member may be back soon.
  private static func joined(_ round: [GatewayError]) -> GatewayError {
    var messages: [String] = []
    for refusal in round where !messages.contains(refusal.message) { messages.append(refusal.message) }
    let temporary = round.first { $0.kind != .untrusted }
    return GatewayError(temporary?.kind ?? .untrusted, messages.joined(separator: "; "))
  }
}
