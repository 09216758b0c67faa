/// The value of a key if it is in `range`; `nil` if the key is absent.
///
/// - Throws: code 7 for a number outside `range`.
public func checked(_ key: String, _ value: Int?, _ range: ClosedRange<Int>) throws(CNIError) -> Int? {
  guard let value, !range.contains(value) else { return value }
  throw CNIError(.invalidNetworkConfig, "key \"\(key)\": \(value): want \(range.lowerBound) to \(range.upperBound)")
}
