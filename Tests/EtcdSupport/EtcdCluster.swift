public import Etcd
import Foundation
import Linux

/// An etcd cluster of real members, each a separate process with its data in memory.
///
/// The kernel ends the processes when the thread that started them ends.
public final class EtcdCluster {
  /// The namespace and address at which a member listens.
  public struct MemberAddress: Equatable, Sendable {
    /// A name in `/run/netns`; `nil`: the calling thread's namespace.
    public var namespace: String?
    /// An address of this namespace.
    public var address: String

    public init(_ address: String, in namespace: String? = nil) {
      self.address = address
      self.namespace = namespace
    }
  }

  /// An error with a text.
  public struct Failure: Error, CustomStringConvertible {
    public var description: String
  }

  public let memberAddresses: [MemberAddress]
  /// The directory of the cluster's files and certificates.
  public let directory: String
  /// Whether clients use TLS with a client certificate.
  public let isSecure: Bool
  private var processes: [Int: Process] = [:]

  private init(_ memberAddresses: [MemberAddress], isSecure: Bool) throws {
    self.memberAddresses = memberAddresses
    self.isSecure = isSecure
    let parent = ProcessInfo.processInfo.environment["CNI_PRIVATE_HOST"] == nil ? "/dev/shm" : "/run"
    directory = "\(parent)/etcd-\(String(UInt32.random(in: 0 ... .max), radix: 36))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  /// Runs `body` with a new cluster on loopback addresses, which is removed afterwards, also after an error.
  public static func use<Value>(
    members: Int = 3, isSecure: Bool = false, _ body: (EtcdCluster) throws -> Value
  ) throws -> Value {
    // Each cluster has different addresses, so that several can run at the same time.
    let net = "127.\(Int.random(in: 64...254)).\(Int.random(in: 0...255))"
    return try use(at: (1...members).map { MemberAddress("\(net).\($0)") }, isSecure: isSecure, body)
  }

  /// Runs `body` with a new cluster at these addresses, which is removed afterwards, also after an error.
  public static func use<Value>(
    at memberAddresses: [MemberAddress], isSecure: Bool = false, _ body: (EtcdCluster) throws -> Value
  ) throws -> Value {
    let cluster = try EtcdCluster(memberAddresses, isSecure: isSecure)
    defer { cluster.remove() }
    if isSecure { try cluster.makeCertificates() }
    for member in memberAddresses.indices { try cluster.launch(member) }
    try cluster.waitUntilHealthy(at: memberAddresses.indices.map { $0 })
    return try body(cluster)
  }

  // MARK: members

  /// The URLs for clients, in the order of the members.
  public var endpoints: [String] { memberAddresses.indices.map(endpoint) }

  public func endpoint(_ member: Int) -> String {
    "\(isSecure ? "https" : "http")://\(host(member)):2379"
  }

  /// A configuration for clients of this cluster.
  public var config: EtcdConfig {
    var config = EtcdConfig(endpoints: endpoints)
    guard isSecure else { return config }
    config.caFile = "\(directory)/ca.pem"
    config.certFile = "\(directory)/client.pem"
    config.keyFile = "\(directory)/client.key"
    return config
  }

  /// Kills a member, as in a crash; its data is kept until it starts again.
  public func stop(member: Int) {
    guard let process = processes.removeValue(forKey: member) else { return }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// Stops a member (SIGSTOP): connections to it succeed, but it does not answer.
  public func freeze(member: Int) { signal(member, SIGSTOP) }

  public func thaw(member: Int) { signal(member, SIGCONT) }

  /// Starts a stopped member.
  ///
  /// - Parameters:
  ///   - member: counted from 0.
  ///   - waits: whether to wait until it answers, which needs a quorum.
  /// - Throws: its log, if it does not answer.
  public func start(member: Int, waits: Bool = true) throws {
    guard processes[member] == nil else { return }
    try launch(member)
    if waits { try waitUntilHealthy(at: [member]) }
  }

  /// The leader; `nil` while there is none.
  public var leader: Int? {
    memberAddresses.indices.first { member in
      guard processes[member]?.isRunning == true,
        let status = try? control(["endpoint", "status", "--write-out=fields"], at: member)
      else { return false }
      func field(_ name: String) -> Substring? {
        status.split(separator: "\n").first { $0.hasPrefix("\"\(name)\" :") }?.split(separator: ":").last
      }
      return field("MemberID") != nil && field("MemberID") == field("Leader")
    }
  }

  /// The output of `etcdctl`, run in the namespace of a member and connected to it.
  @discardableResult
  public func control(_ arguments: [String], at member: Int = 0, user: String? = nil) throws -> String {
    var options = ["--endpoints=\(endpoint(member))", "--dial-timeout=2s", "--command-timeout=3s"]
    if isSecure {
      options += ["ca.pem", "client.pem", "client.key"].enumerated().map { index, file in
        "--\(["cacert", "cert", "key"][index])=\(directory)/\(file)"
      }
    }
    if let user { options.append("--user=\(user)") }
    return try run(at(member) + ["/usr/bin/etcdctl"] + options + arguments)
  }

  // MARK: processes and files

  func launch(_ member: Int) throws {
    let log = "\(directory)/\(member).log"
    guard FileManager.default.createFile(atPath: log, contents: nil), let output = FileHandle(forWritingAtPath: log)
    else { throw Failure(description: "\(log) cannot be written") }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/setpriv")
    process.arguments = ["--pdeathsig=KILL"] + at(member) + ["/usr/bin/etcd"] + options(member)
    process.environment = Self.environment
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    try process.run()
    processes[member] = process
  }

  func options(_ member: Int) -> [String] {
    let peers = memberAddresses.indices.map { "m\($0)=http://\(host($0)):2380" }.joined(separator: ",")
    let peer = "http://\(host(member)):2380"
    let security =
      isSecure
      ? [
        "--cert-file=\(directory)/server.pem", "--key-file=\(directory)/server.key",
        "--trusted-ca-file=\(directory)/ca.pem", "--client-cert-auth",
      ] : []
    return [
      "--name=m\(member)", "--data-dir=\(directory)/\(member)", "--initial-cluster=\(peers)",
      "--initial-cluster-token=\(directory)", "--listen-peer-urls=\(peer)", "--initial-advertise-peer-urls=\(peer)",
      "--listen-client-urls=\(endpoint(member))", "--advertise-client-urls=\(endpoint(member))",
      "--quota-backend-bytes=\(64 << 20)", "--snapshot-count=1000", "--logger=zap", "--log-outputs=stderr",
      "--log-level=warn",
    ] + security
  }

  private func host(_ member: Int) -> String {
    let address = memberAddresses[member].address
    return address.contains(":") ? "[\(address)]" : address
  }

  private func at(_ member: Int) -> [String] {
    memberAddresses[member].namespace.map { ["/usr/bin/nsenter", "--net=/run/netns/\($0)"] } ?? []
  }

  private func signal(_ member: Int, _ number: Int32) {
    if let process = processes[member] { kill(process.processIdentifier, number) }
  }

  func waitUntilHealthy(at members: [Int]) throws {
    let deadline = Clock.now.advanced(bySeconds: 60)
    for member in members {
      while (try? control(["endpoint", "health"], at: member)) == nil {
        guard processes[member]?.isRunning == true, deadline.millisecondsLeft > 0 else {
          let log = (try? String(contentsOfFile: "\(directory)/\(member).log", encoding: .utf8)) ?? ""
          throw Failure(description: "member \(member) does not become healthy: \(log.suffix(2000))")
        }
        Clock.sleep(milliseconds: 50)
      }
    }
  }

  private func remove() {
    for member in processes.keys { stop(member: member) }
    try? FileManager.default.removeItem(atPath: directory)  // errors must not hide those of the test
  }
}

extension EtcdCluster {
  /// etcd 3.4 runs on ARM only with this variable.
  private static let environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "ETCD_UNSUPPORTED_ARCH": "arm64"]

  /// - Returns: the output of a program, which must succeed.
  @discardableResult
  func run(_ command: [String]) throws -> String {
    let output = try ChildProcess.run(
      "/usr/bin/timeout", ["--signal=KILL", "30"] + command,
      environment: Self.environment.map { "\($0)=\($1)" }, input: [], seconds: 40)
    guard output.status == 0 else {
      throw Failure(description: "\(command.joined(separator: " ")): \(String(decoding: output.errors, as: UTF8.self))")
    }
    return String(decoding: output.output, as: UTF8.self)
  }

  /// Writes certificates: a CA `ca`, `server` and `client` signed by it, and a self-signed `other`.
  private func makeCertificates() throws {
    let names = memberAddresses.map { "IP:\($0.address)" }.joined(separator: ",")
    try run([
      "/bin/sh", "-ec",
      """
      cd \(directory)
      new="openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
      for name in ca other; do $new -x509 -keyout $name.key -out $name.pem -subj /CN=$name -days 2; done
      echo "subjectAltName=\(names)" > extensions
      for name in server client; do
        $new -keyout $name.key -out $name.csr -subj /CN=$name
        openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions \
          -out $name.pem
      done
      """,
    ])
  }
}
