import Names

/// In any hosts file, the lines that we add are found again, and all other lines stay unchanged.
func fuzz(_ bytes: [UInt8]) {
  let added = ["10.0.0.1\tweb", "10.0.0.1\tweb.net", "fd00::1\tweb", "10.0.0.1\tweb"]
  let isLineOpen = bytes.last.map { $0 != UInt8(ascii: "\n") } ?? false
  let file = bytes + HostsText.appended(added, at: bytes.count, isLineOpen: isLineOpen)
  require(file.last == UInt8(ascii: "\n"), "the last line has no end")
  let found = HostsText(file).search(for: added)
  require(found.missing.isEmpty && found.found.count == added.count, "\(added), but \(found)")
  require(found.found == found.found.sorted() && Set(found.found).count == found.found.count, "\(found)")
  checkRemoval(file, of: added, at: found.found)
  checkReuse(bytes, for: added)
}

/// The lines of a file that are no comments, without spaces at their ends.
func live(_ bytes: [UInt8]) -> [[UInt8]] {
  bytes.split(separator: UInt8(ascii: "\n")).filter { $0.first != HostsText.removedLineMark }.map { line in
    Array(line.reversed().drop { $0 == UInt8(ascii: " ") }.reversed())
  }
}

func checkRemoval(_ file: [UInt8], of lines: [String], at offsets: [Int]) {
  var dead = file
  for offset in offsets {
    require(offset == 0 || file[offset - 1] == UInt8(ascii: "\n"), "\(offset) is within a line")
    dead[offset] = HostsText.removedLineMark
  }
  require(live(dead).count == live(file).count - lines.count, "other lines were removed")
}

/// Applies the writes that reuse the bytes of removed lines.
func checkReuse(_ bytes: [UInt8], for lines: [String]) {
  var file = bytes
  let (writes, rest) = HostsText(bytes).reuseWrites(for: lines)
  for write in writes {
    let place = write.offset..<write.offset + write.bytes.count
    require(place.upperBound < file.count, "\(place) reaches beyond \(file.count) bytes")
    require(file[place.lowerBound] == HostsText.removedLineMark, "\(place) is no removed line")
    file.replaceSubrange(place, with: write.bytes)
  }
  require(writes.count + rest.count == lines.count, "\(writes.count) and \(rest.count) of \(lines.count)")
  require(live(file).count == live(bytes).count + writes.count, "other lines were changed")
}
