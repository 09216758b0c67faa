import Etcd
import Linux

/// Whose turn it is to be asked, and for how long.
struct Turns {
  private static let pauseMilliseconds = 200
  private static let attemptMilliseconds = (least: 500, most: 3000)

  /// The member whose turn it is.
  private(set) var index: Int
  private let count: Int
  private let deadline: Clock
  /// What the members of this round said.
  private var round: [GatewayRefusal] = []

  init(of count: Int, first: Int, until deadline: Clock) {
    index = first
    self.count = count
    self.deadline = deadline
  }

  /// What the member whose turn it is gets: its share of the time left.
  var milliseconds: Int {
    let share = deadline.millisecondsLeft / max(1, count - round.count)
    return min(max(share, Self.attemptMilliseconds.least), Self.attemptMilliseconds.most)
  }

  /// Turns to the next member.
  ///
  /// After all had theirs it begins anew, a moment later, as long as there is time and one of them may soon have a
  /// leader again: elections take a second or two.
  ///
  /// - Throws: the refusals of the round, where nobody is left to be asked.
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

  /// What may pass outweighs what will not: another member may be back soon.
  private static func joined(_ round: [GatewayRefusal]) -> GatewayRefusal {
    var words: [String] = []
    for refusal in round where !words.contains(refusal.words) { words.append(refusal.words) }
    let passing = round.first { $0.kind != .untrusted }
    return GatewayRefusal(passing?.kind ?? .untrusted, words.joined(separator: "; "))
  }
}
