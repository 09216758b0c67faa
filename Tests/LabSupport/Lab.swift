public import CNI
import Foundation
import Linux

/// A host and its containers, each a network namespace, for one test.
public struct Lab: Sendable {
  /// Part of every name the lab makes.
  public let name: String
  /// The lab's own files; the leases are below `networks`.
  public let directory: String
  public let containerCount: Int
  /// The mount namespace that what runs on the host or in a container sees; `nil`: the test's own.
  public private(set) var mounts: String?

  /// The host's namespace.
  public var host: String { "\(name)-h" }

  /// A container's namespace; containers count from 1.
  public func container(_ number: Int) -> String { "\(name)-c\(number)" }

  /// A namespace's `CNI_NETNS`.
  public func path(_ namespace: String) -> String { "/run/netns/\(namespace)" }

  public var dataDir: String { "\(directory)/networks" }

  /// Runs `body` with a new lab, which is gone afterwards however `body` ends.
  public static func use<Value>(containers: Int = 1, _ body: (Lab) throws -> Value) throws -> Value {
    let lab = Lab(named: freshName(), containers: containers)
    defer { lab.remove() }
    try lab.lay()
    return try body(lab)
  }

  init(named name: String, containers: Int) {
    self.name = name
    directory = FileManager.default.temporaryDirectory.appending(path: name).path()
    containerCount = containers
  }

  /// A name that no other lab has.
  static func freshName() -> String { "t-" + String(UInt32.random(in: 0 ... .max), radix: 36) }

  /// Makes the lab's directory and its namespaces.
  func lay() throws {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let namespaces = [host] + (0..<containerCount).map { container($0 + 1) }
    try shell("for n in \(namespaces.joined(separator: " ")); do ip netns add $n || exit; done")
    try shell("ip link set lo up", in: host)
  }

  /// This lab with empty `/run/cni`, `/run/swift-cni` and `/var/lib/cni` of its own, which no other lab's plugins see,
  /// and other directories of the machine in which its programs keep things.
  ///
  /// What is mounted later, a new namespace's name too, is not seen there, nor are the namespaces of other labs.
  public func withOwnState(_ directories: [String] = []) throws -> Lab {
    var lab = self
    let own = (["/run/cni", "/run/swift-cni", "/var/lib/cni"] + directories).joined(separator: " ")
    // Held by a process: newer kernels refuse, now and then, to give a mount namespace a name. A namespace lives as long
    // as it is mounted anywhere, so others' must not be here.
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

  /// Ends what runs in the lab and removes all of it.
  func remove() {
    let script = """
      if [ -e \(directory)/holder ]; then kill $(cat \(directory)/holder); fi
      for n in /run/netns/\(name)-*; do ip netns del ${n##*/}; done
      rm -rf \(directory)
      """
    _ = try? run("/bin/sh", ["-c", script])  // what cannot be removed must not hide what the test found
  }

  /// Runs a program to its end; after a minute it is killed with all that it started.
  public func run(
    _ path: String, _ arguments: [String] = [], in namespace: String? = nil,
    environment: [String] = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], input: String = ""
  ) throws -> Outcome {
    Standard.ignoreBrokenPipes()  // a program may end before it has read all
    let seeing = mounts.map { ["--mount=\($0)"] } ?? []
    let entering = namespace.map { ["/usr/bin/nsenter", "--net=\(self.path($0))"] + seeing } ?? []
    return Outcome(
      try ChildProcess.run(
        "/usr/bin/timeout", ["--signal=KILL", "60"] + entering + [path] + arguments, environment: environment,
        input: Array(input.utf8), seconds: 70))
  }

  /// What a shell script prints; the script has to succeed.
  @discardableResult
  public func shell(_ script: String, in namespace: String? = nil) throws -> String {
    let outcome = try run("/bin/sh", ["-ec", script], in: namespace)
    guard outcome.isSuccess else { throw Outcome.Unexpected(outcome: outcome) }
    return outcome.output
  }

  /// What a program that prints JSON prints.
  public func json(_ script: String, in namespace: String) throws -> JSONValue {
    let output = try shell(script, in: namespace)
    return try JSONValue(json: output.isEmpty ? "[]" : output)
  }
}
