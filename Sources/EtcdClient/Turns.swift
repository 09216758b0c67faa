import Etcd
import Linux

/// Decides which member is tried next, and for how long.
struct Turns {
  private static let pauseMilliseconds = 200
  private static let attemptMilliseconds = (least: 500, most: 3000)

  /// The member to try now.
  private(set) var index: Int
  private let count: Int
  private let deadline: Clock
  /// The errors of the members in this round.
  private var round: [GatewayRefusal] = []

  init(of count: Int, first: Int, until deadline: Clock) {
    index = first
    self.count = count
    self.deadline = deadline
  }

  /// The time for this member: its share of the time left, in milliseconds.
  var milliseconds: Int {
    let share = deadline.millisecondsLeft / max(1, count - round.count)
    return min(max(share, Self.attemptMilliseconds.least), Self.attemptMilliseconds.most)
  }

  /// Goes to the next member.
  ///
  /// After all members it pauses and begins a new round, if there is time left and a member may soon have a leader again: an
  /// election takes a second or two.
  ///
  /// - Throws: the errors of the round if no member is left to try.
  mutating func goOn(after refusal: GatewayRefusal) throws(GatewayRefusal) {
    switch refusal.kind {
    case .unreachable, .unavailable, .untrusted: round.append(refusal)
    case .later, .staleToken, .hasNoUsers, .gone, .notLoaded, .refused: throw refusal
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
  private static func joined(_ round: [GatewayRefusal]) -> GatewayRefusal {
    var words: [String] = []
    for refusal in round where !words.contains(refusal.words) { words.append(refusal.words) }
    let passing = round.first { $0.kind != .untrusted }
    return GatewayRefusal(passing?.kind ?? .untrusted, words.joined(separator: "; "))
  }
}
