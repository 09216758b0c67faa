import Glibc
public import Kernel
public import Linux
public import Names

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
    do throws(KernelError) {
      let base = try Descriptor.directory(path.base)
      let glance = try base.glance(below: path.below.joined(separator: "/"))
      guard try glance.status().isRegular else {
        throw KernelError("open", errno: EINVAL, reason: "want a regular file, no link, FIFO, device or directory")
      }
      return try glance.reopened()
    } catch {
      if error.errno == ENOENT { return nil }
      throw explained(error)
    }
  }

  /// The directories on the way to the file that are not there, the outermost first.
  public func missingDirectories() -> [String] {
    var missing: [String] = []
    var directory = path.base
    while directory != "/", !Files.exists(directory) {
      missing.insert(directory, at: 0)
      let parent = directory[..<(directory.lastIndex(of: "/") ?? directory.startIndex)]
      directory = parent.isEmpty ? "/" : String(parent)
    }
    return missing + directories.filter { !Files.exists($0) }
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
      if error.errno == EEXIST, let file = try open() { return file }
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
      // A read-only file system refuses to remove even what is not there.
      for directory in directories.reversed() where Files.exists(directory) {
        try Files.removeEmptyDirectory(directory)
      }
    } catch { throw explained(error) }
  }

  private func removeFile(where isStill: (FileStatus) -> Bool) throws(KernelError) {
    do throws(KernelError) {
      let parent = try parent(making: false)
      let now = try parent.glance(below: path.fileName).status()
      if isStill(now) { try parent.remove(below: path.fileName) }
    } catch  where error.errno == ENOENT {}
  }

  /// The directory that the file is in, with those on the way made where that is asked for.
  func parent(making: Bool) throws(KernelError) -> Descriptor {
    if making { try Files.makeDirectories(path.base) }
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
      case ELOOP: "a symbolic link is in the way: want directories and files below \(path.base)"
      case EXDEV: "it leads out of \(path.base)"
      default: error.reason
      }
    return KernelError("\(path.key): \(path): \(error.operation)", errno: error.errno, reason: reason)
  }
}

extension ContainerPath {
  var fileName: String { below.last ?? "" }
}
