import Glibc
public import Linux
public import NetTypes

/// A container's file on disk, reached so that nobody who can write below its base leads us elsewhere.
///
/// Every error names the path and the configuration's key.
public struct FilePlace: Sendable {
  public let path: ContainerPath

  public init(_ path: ContainerPath) { self.path = path }

  /// The file; `nil` where there is none.
  ///
  /// - Throws: ELOOP for a symbolic link, EINVAL for anything else that is no regular file.
  public func open() throws(KernelError) -> Descriptor? {
    do throws(KernelError) { return try regularFile().reopened() } catch {
      if error.errno == .ENOENT { return nil }
      throw explained(error)
    }
  }

  /// The file's `stat(2)`; `nil` where there is none.
  ///
  /// - Throws: as `open`, but nothing about a lease on the file.
  func regularStatus() throws(KernelError) -> FileStatus? {
    do throws(KernelError) { return try regularFile().status() } catch {
      if error.errno == .ENOENT { return nil }
      throw explained(error)
    }
  }

  private func regularFile() throws(KernelError) -> Descriptor {
    let base = try Descriptor.directory(path.base)
    let glance = try base.glance(below: path.below.joined(separator: "/"))
    guard try glance.status().isRegular else {
      throw KernelError("open", errno: .EINVAL, reason: "want a regular file, no link, FIFO, device or directory")
    }
    return glance
  }

  /// The directories on the way to the file that are not there, the outermost first.
  public func missingDirectories() throws(KernelError) -> [String] {
    var missing: [String] = []
    var directory = path.base
    while directory != "/", try Files.status(directory) == nil {
      missing.insert(directory, at: 0)
      let parent = directory[..<(directory.lastIndex(of: "/") ?? directory.startIndex)]
      directory = parent.isEmpty ? "/" : String(parent)
    }
    for directory in directories where try Files.status(directory) == nil { missing.append(directory) }
    return missing
  }

  /// The directories below the base on the way to the file, the outermost first.
  var directories: [String] {
    var all: [String] = []
    for name in path.below.dropLast() { all.append("\(all.last ?? (path.base == "/" ? "" : path.base))/\(name)") }
    return all
  }

  /// The file, made empty where it was not there, with the directories on the way to it.
  public func openOrMake() throws(KernelError) -> Descriptor {
    if let file = try open() { return file }
    do throws(KernelError) {
      return try parent(making: true).create(below: path.fileName, mode: 0o644)
    } catch {
      // Somebody else has made it just now.
      if error.errno == .EEXIST, let file = try open() { return file }
      throw explained(error)
    }
  }

  /// Removes the file where it `isStill` the one that is meant, then those of `directories` that are empty, from the
  /// last one on.
  public func remove(
    where isStill: (FileStatus) -> Bool, andEmpty directories: [String]
  ) throws(KernelError) {
    do throws(KernelError) {
      try removeFile(where: isStill)
      var all = ownDirectories + directories
      all.sort { $0.utf8.count > $1.utf8.count }
      // A read-only file system refuses to remove even what is not there.
      for directory in all where try Files.statusOfLink(directory)?.isDirectory == true {
        try Files.removeEmptyDirectory(directory)
      }
    } catch { throw explained(error) }
  }

  /// Directories that no other program makes, so that an empty one is left over even if no record has it.
  private var ownDirectories: [String] {
    path.base == FileTemplates.defaultDirectory ? directories : []
  }

  private func removeFile(where isStill: (FileStatus) -> Bool) throws(KernelError) {
    do throws(KernelError) {
      let parent = try parent(making: false)
      let now = try parent.glance(below: path.fileName).status()
      if isStill(now) { try parent.remove(below: path.fileName) }
    } catch {
      // A link or a file where a directory was: what is behind it is not ours.
      guard error.errno.isOne(of: .ENOENT, .ENOTDIR, .ELOOP, .EXDEV) else { throw error }
    }
  }

  /// The directory that the file is in, with those on the way made where that is asked for.
  func parent(making: Bool) throws(KernelError) -> Descriptor {
    for _ in 0..<10 where making {
      // A DEL of another container may remove a directory that is still empty.
      do throws(KernelError) { return try makeParent() } catch  where error.errno == .ENOENT {}
    }
    return try making ? makeParent() : openParent()
  }

  private func makeParent() throws(KernelError) -> Descriptor {
    try Files.makeDirectories(path.base)
    return try openParent(making: true)
  }

  private func openParent(making: Bool = false) throws(KernelError) -> Descriptor {
    var directory = try Descriptor.directory(path.base)
    for name in path.below.dropLast() {
      if making { _ = try directory.makeDirectory(below: name, mode: 0o755) }
      directory = try directory.directory(below: name)
    }
    return directory
  }

  private func explained(_ error: KernelError) -> KernelError {
    let reason =
      switch error.errno {
      case .ELOOP: "a symbolic link is in the way: want directories and files below \(path.base)"
      case .EXDEV: "it leads out of \(path.base)"
      default: error.reason
      }
    return KernelError("\(path.key): \(path): \(error.operation)", errno: error.errno, reason: reason)
  }
}

extension ContainerPath {
  var fileName: String { below.last ?? "" }
}
