import Glibc
public import Linux
public import NetTypes

/// A container's file on disk, opened so that no symbolic link or `..` below its base can lead to another file.
///
/// Every error message has the path and the configuration key.
public struct SafePath: Sendable {
  public let path: ContainerPath

  public init(_ path: ContainerPath) { self.path = path }

  /// Opens the file for reading and writing; `nil` if it does not exist.
  ///
  /// - Throws: ELOOP for a symbolic link, EINVAL for anything else that is not a regular file, EAGAIN if a process
  ///   holds a lease (`F_SETLEASE`) on it.
  public func open() throws(KernelError) -> Descriptor? {
    do throws(KernelError) { return try regularFile().openForWriting() } catch {
      if error.errno == .ENOENT { return nil }
      throw explained(error)
    }
  }

  /// The file's `stat(2)`; `nil` if it does not exist.
  ///
  /// - Throws: as `open`, except that a lease on the file is no error.
  func regularStatus() throws(KernelError) -> FileStatus? {
    do throws(KernelError) { return try regularFile().status() } catch {
      if error.errno == .ENOENT { return nil }
      throw explained(error)
    }
  }

  private func regularFile() throws(KernelError) -> Descriptor {
    let base = try Descriptor.directory(path.base)
    let glance = try base.openForStatus(below: path.below.joined(separator: "/"))
    guard try glance.status().isRegular else {
      throw KernelError("open", errno: .EINVAL, reason: "want a regular file, no link, FIFO, device or directory")
    }
    return glance
  }

  /// The parent directories of the file that do not exist, the outermost first.
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

  /// The parent directories of the file that are below the base, the outermost first.
  var directories: [String] {
    var all: [String] = []
    for name in path.below.dropLast() { all.append("\(all.last ?? (path.base == "/" ? "" : path.base))/\(name)") }
    return all
  }

  /// Opens the file; creates it empty, with its parent directories, if it does not exist.
  public func openOrCreate() throws(KernelError) -> Descriptor {
    if let file = try open() { return file }
    do throws(KernelError) {
      return try parent(createIfMissing: true).create(below: path.fileName, mode: 0o644)
    } catch {
      // Another process created it at the same moment.
      if error.errno == .EEXIST, let file = try open() { return file }
      throw explained(error)
    }
  }

  /// Removes the file if `isSameFile` accepts its status, then the empty ones among `directories`, the innermost first.
  public func remove(
    where isSameFile: (FileStatus) -> Bool, andEmpty directories: [String]
  ) throws(KernelError) {
    do throws(KernelError) {
      try removeFile(where: isSameFile)
      var all = ownDirectories + directories
      all.sort { $0.utf8.count > $1.utf8.count }
      // rmdir(2) on a read-only file system fails with EROFS even for a directory that does not exist.
      for directory in all where try Files.statusOfLink(directory)?.isDirectory == true {
        try Files.removeEmptyDirectory(directory)
      }
    } catch { throw explained(error) }
  }

  /// Directories that no other program creates: an empty one can be removed even if no record lists it.
  private var ownDirectories: [String] {
    path.base == StatePaths.containerFiles ? directories : []
  }

  private func removeFile(where isSameFile: (FileStatus) -> Bool) throws(KernelError) {
    do throws(KernelError) {
      let parent = try parent(createIfMissing: false)
      let status = try parent.openForStatus(below: path.fileName).status()
      if isSameFile(status) { try parent.remove(below: path.fileName) }
    } catch {
      // A parent directory was replaced by a symbolic link or a file: the file behind it is not ours.
      guard error.errno.isOne(of: .ENOENT, .ENOTDIR, .ELOOP, .EXDEV) else { throw error }
    }
  }

  /// The directory that contains the file; with `createIfMissing`, missing directories are created.
  func parent(createIfMissing: Bool) throws(KernelError) -> Descriptor {
    for _ in 0..<10 where createIfMissing {
      // The DEL of another container may remove a directory that is still empty.
      do throws(KernelError) { return try makeParent() } catch  where error.errno == .ENOENT {}
    }
    return try createIfMissing ? makeParent() : openParent()
  }

  private func makeParent() throws(KernelError) -> Descriptor {
    try Files.makeDirectories(path.base)
    return try openParent(createIfMissing: true)
  }

  private func openParent(createIfMissing: Bool = false) throws(KernelError) -> Descriptor {
    var directory = try Descriptor.directory(path.base)
    for name in path.below.dropLast() {
      if createIfMissing { _ = try directory.makeDirectory(below: name, mode: 0o755) }
      directory = try directory.directory(below: name)
    }
    return directory
  }

  private func explained(_ error: KernelError) -> KernelError {
    let reason =
      switch error.errno {
      case .ELOOP: "the path has a symbolic link: want directories and files below \(path.base)"
      case .EXDEV: "the path leads out of \(path.base)"
      default: error.reason
      }
    return KernelError("\(path.key): \(path): \(error.operation)", errno: error.errno, reason: reason)
  }
}

extension ContainerPath {
  var fileName: String { below.last ?? "" }
}
