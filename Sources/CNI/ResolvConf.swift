extension DNS {
  /// Parses the format of `resolv.conf(5)`: the last `domain` is used, values of the other keywords are collected.
  public init(resolvConf text: String) {
    self.init()
    for line in text.split(whereSeparator: { $0.isNewline }) {
      let words = line.split { $0 == " " || $0 == "\t" }.map(String.init)
      guard let keyword = words.first, !keyword.hasPrefix("#"), !keyword.hasPrefix(";"), words.count > 1 else {
        continue
      }
      switch keyword {
      case "nameserver": nameservers.append(words[1])
      case "domain": domain = words[1]
      case "search": search += words[1...]
      case "options": options += words[1...]
      default: continue
      }
    }
  }
}
