import NetTypes

/// Lines of a plan as one text, with `MAC-1`, `MAC-2` … in place of MAC addresses: some of them are random.
public func planText(_ lines: [String]) -> String {
  var numbers: [String: Int] = [:]
  return lines.map { line in
    line.split(separator: " ", omittingEmptySubsequences: false).map { word in
      guard word.utf8.count == 17, MACAddress(String(word)) != nil else { return String(word) }
      let number = numbers[String(word), default: numbers.count + 1]
      numbers[String(word)] = number
      return "MAC-\(number)"
    }.joined(separator: " ") + "\n"
  }.joined()
}
