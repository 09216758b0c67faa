public import CNI
import Glibc
import Kernel
import Linux
public import NetTypes

/// The small files of containers, `resolv.conf` and `hostname`, as they are remembered and as they are.
///
/// What is remembered is written before the file and removed after it. Everything here happens under the lock of the
/// container that it is about.
public struct LiveTexts {
  let state: StateDirectory
  let host: HostResolvConf
  /// Told each change before it is made; what it throws keeps it from being made.
  let willChange: (String) throws(KernelError) -> Void
  let warn: (String) -> Void

  public init(
    _ state: StateDirectory, host: HostResolvConf = HostResolvConf(), warn: @escaping (String) -> Void = { _ in },
    willChange: @escaping (String) throws(KernelError) -> Void = { _ throws(KernelError) in }
  ) {
    self.state = state
    self.host = host
    self.warn = warn
    self.willChange = willChange
  }
}

extension LiveTexts {
  /// Makes the file or takes a part in it; a file with somebody else's text is left as it is.
  ///
  /// - Parameters:
  ///   - kind: which of the files.
  ///   - path: where it is.
  ///   - owner: the attachment.
  ///   - holder: what it wants there.
  ///   - text: the whole text, where that does not come from the wishes.
  /// May be repeated: the same wish changes nothing.
  ///
  /// - Throws: what failed first; `remove` takes back what was done.
  public func add(
    _ kind: KeptText.Kind, at path: ContainerPath, for owner: Owner, _ holder: KeptText.Holder, text: String = ""
  ) throws(KernelError) {
    let lock = try ContainerLock(owner.container, in: state)
    defer { _ = lock }
    var record = try state.texts(of: owner.container)
    let before = record
    let place = FilePlace(path)
    let wasMissing = try place.regularStatus() == nil
    guard let index = try index(of: kind, at: place, wasMissing, in: &record, text) else { return }
    record.texts[index].hold(holder, for: owner)
    if record != before { try put(record, "remember \(path)") }
    try willChange("make \(path)")
    let status = try place.openOrMake().status()
    if wasMissing || record.texts[index].inode == nil {
      record.texts[index].becomes(status)
      // One that holds the right text already is not written, nor remembered, again.
      if !wasMissing { try put(record, "remember which file \(path) is") }
    }
    let wanted = kind == .hostname ? text : try resolvConf(record.texts[index])
    try rewrite(index, of: &record, with: wanted)
  }

  /// Which of the record's texts it is, a new one where it has none.
  ///
  /// - Returns: `nil` for a file that somebody else has written; an empty one is a place that a runtime made for us.
  private func index(
    of kind: KeptText.Kind, at place: FilePlace, _ wasMissing: Bool, in record: inout TextRecord, _ text: String
  ) throws(KernelError) -> Int? {
    if let index = record.texts.firstIndex(where: { $0.kind == kind && $0.path.description == place.path.description })
    {
      // Somebody has removed it: what comes in its place is made anew.
      if wasMissing {
        (record.texts[index].isMade, record.texts[index].written, record.texts[index].next) = (true, "", nil)
      }
      return index
    }
    // Those that were made for the hosts file, which may go first.
    let made = try madeDirectories(of: record.container).filter { place.path.description.hasPrefix("\($0)/") }
    let missing = try place.missingDirectories()
    var kept = KeptText(
      kind, at: place.path, isMade: wasMissing, madeDirectories: made + missing.filter { !made.contains($0) })
    if !wasMissing, let file = try place.open() {
      kept.written = try LiveText(file).text()
      let isOurs = kind == .resolvConf && kept.written.hasPrefix(ResolvConf.header)
      guard isOurs || kept.written.isEmpty || kept.written == text else {
        warn("\(place.path): left alone: somebody else has written it")
        return nil
      }
      // Of a life of the container that nobody remembers.
      if isOurs { kept.isMade = true }
    }
    record.texts.append(kept)
    return record.texts.count - 1
  }

  private func madeDirectories(of container: ContainerID) throws(KernelError) -> [String] {
    do throws(KernelError) { return try state.record(of: container).files.flatMap(\.madeDirectories) } catch {
      if error.isBrokenState { return [] }
      throw error
    }
  }

  /// What one attachment alone gets of its wish and the host's file, as its result tells it.
  public func answer(_ holder: KeptText.Holder) throws(KernelError) -> DNS {
    var unused: [String] = []  // told where the file is written
    let host = holder.wish.leavesSomething ? try host.wish(notes: &unused) : ResolvConfWish()
    return ResolvConf([holder.wish], host: host, hasIPv6: holder.hasIPv6, notes: &unused).dns
  }

  func resolvConf(_ kept: KeptText) throws(KernelError) -> String {
    var notes: [String] = []
    let text = kept.resolvConf(host: try host.wish(notes: &notes), notes: &notes).text
    for note in notes { warn(note) }
    return text
  }

  /// Writes the file unless somebody else has changed it.
  ///
  /// - Returns: whether it was written.
  @discardableResult
  func rewrite(_ index: Int, of record: inout TextRecord, with text: String) throws(KernelError) -> Bool {
    let kept = record.texts[index]
    guard let file = try FilePlace(kept.path).open(), kept.isStill(try file.status()) else {
      warn("\(kept.path): left alone: no longer the file of container \(record.container)")
      return false
    }
    let live = LiveText(file)
    let now = try live.text()
    guard kept.isOurs(now) else {
      warn("\(kept.path): left alone: somebody else has changed it")
      return false
    }
    guard now != text || kept.written != text || kept.next != nil else { return false }
    // What an earlier rewrite left is ours too, whatever the next one comes to.
    record.texts[index].written = now
    record.texts[index].next = text
    try put(record, "remember what \(kept.path) will be")
    try willChange("write \(kept.path)")
    try live.replace(with: text)
    record.texts[index].next = nil
    record.texts[index].written = text
    try put(record, "remember what \(kept.path) is")
    return true
  }

  func put(_ record: TextRecord, _ what: String) throws(KernelError) {
    try willChange(what)
    try state.put(record)
  }
}

extension KeptText {
  func isStill(_ status: FileStatus) -> Bool { status.device == device && status.inode == inode }

  /// Notes what an attachment wants, in the place of what it wanted before: the order decides the text.
  fileprivate mutating func hold(_ holder: Holder, for owner: Owner) {
    guard let index = holders.firstIndex(where: { $0.isOf(owner) }) else { return holders.append(holder) }
    holders[index] = holder
  }

  mutating func becomes(_ status: FileStatus) { (device, inode) = (status.device, status.inode) }
}
