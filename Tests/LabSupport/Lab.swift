public import CNI
import Foundation
import Linux

/// A host and its containers, each a network namespace, for one test.
public struct Lab: Sendable {
  /// Part of each name that the lab creates.
  public let name: String
  /// The directory of the lab's files; the leases are below `networks`.
  public let directory: String
  public let containerCount: Int
  /// The mount namespace of programs on the host and in the containers; `nil`: the test's own.
  public private(set) var mounts: String?

  /// The host's namespace.
  public var host: String { "\(name)-h" }

  /// The namespace of a container; the first container is 1.
  public func container(_ number: Int) -> String { "\(name)-c\(number)" }

  /// The `CNI_NETNS` of a namespace.
  public func path(_ namespace: String) -> String { "/run/netns/\(namespace)" }

  public var dataDir: String { "\(directory)/networks" }

  /// Runs `body` with a new lab, which is removed afterwards, also after an error.
  public static func use<Value>(containers: Int = 1, _ body: (Lab) throws -> Value) throws -> Value {
    let lab = Lab(named: freshName(), containers: containers)
    defer { lab.remove() }
    try lab.setUp()
    return try body(lab)
  }

  init(named name: String, containers: Int) {
    self.name = name
    directory = FileManager.default.temporaryDirectory.appending(path: name).path()
    containerCount = containers
  }

  /// A name that no other lab has.
  static func freshName() -> String { "t-" + String(UInt32.random(in: 0 ... .max), radix: 36) }

  /// Creates the lab's directory and its namespaces.
  func setUp() throws {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let namespaces = [host] + (0..<containerCount).map { container($0 + 1) }
    try shell("for n in \(namespaces.joined(separator: " ")); do ip netns add $n || exit; done")
    try shell("ip link set lo up", in: host)
  }

  /// This lab with its own empty `/run/cni`, `/run/swift-cni`, `/var/lib/cni` and further directories.
  ///
  /// Plugins of other labs do not see them. Later mounts outside (also names of new namespaces) and the namespaces of
  /// other labs are not visible in it.
  public func withOwnState(_ directories: [String] = []) throws -> Lab {
    var lab = self
    let own = (["/run/cni", "/run/swift-cni", "/var/lib/cni"] + directories).joined(separator: " ")
    // A process holds the mount namespace, since newer kernels sometimes refuse to bind-mount one. A mounted namespace stays
    // alive, so namespaces of other labs are unmounted here.
    let holder = try shell(
      """
      mkfifo \(directory)/made
      unshare --mount sh -ec '
        for n in /run/netns/*; do case $n in */\(name)-*) ;; *) umount $n 2> /dev/null || true ;; esac; done
        for d in \(own); do mkdir -p $d; mount -t tmpfs tmpfs $d; done
        echo > \(directory)/made; exec sleep 900' < /dev/null > /dev/null 2>&1 &
      read _ < \(directory)/made
      echo $! | tee \(directory)/holder
      """)
    lab.mounts = "/proc/\(holder.trimmingCharacters(in: .whitespacesAndNewlines))/ns/mnt"
    return lab
  }

  /// Ends the processes of the lab and removes it.
  func remove() {
    let script = """
      if [ -e \(directory)/holder ]; then kill $(cat \(directory)/holder); fi
      for n in /run/netns/\(name)-*; do ip netns del ${n##*/}; done
      rm -rf \(directory)
      """
    _ = try? run("/bin/sh", ["-c", script])  // errors must not hide those of the test
  }

  /// Runs a program to its end; after a minute, kills it and all processes that it started.
  public func run(
    _ path: String, _ arguments: [String] = [], in namespace: String? = nil,
    environment: [String] = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], input: String = ""
  ) throws -> Outcome {
    StandardStreams.ignoreBrokenPipes()  // a program may end before it has read its input
    let seeing = mounts.map { ["--mount=\($0)"] } ?? []
    let entering = namespace.map { ["/usr/bin/nsenter", "--net=\(self.path($0))"] + seeing } ?? []
    return Outcome(
      try ChildProcess.run(
        "/usr/bin/timeout", ["--signal=KILL", "60"] + entering + [path] + arguments, environment: environment,
        input: Array(input.utf8), seconds: 70))
  }

  /// The output of a shell script, which must succeed.
  @discardableResult
  public func shell(_ script: String, in namespace: String? = nil) throws -> String {
    let outcome = try run("/bin/sh", ["-ec", script], in: namespace)
    guard outcome.isSuccess else { throw Outcome.Unexpected(outcome: outcome) }
    return outcome.output
  }

  /// The output of a script that prints JSON.
  public func json(_ script: String, in namespace: String) throws -> JSONValue {
    let output = try shell(script, in: namespace)
    return try JSONValue(json: output.isEmpty ? "[]" : output)
  }
}
