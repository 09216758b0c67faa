import LabSupport

extension World {
  /// Starts a program on the host that runs until `end`, or for two minutes.
  func launch(_ name: String, _ command: String) throws {
    let file = "\(lab.directory)/\(name)"
    try shell("timeout 120 \(command) > \(file).log 2>&1 < /dev/null & echo $! > \(file).pid")
  }

  /// Ends a program and waits, 30 seconds at most, until it has ended.
  func end(_ name: String) {
    let file = "\(lab.directory)/\(name).pid"
    // Ignore errors: it may have ended by itself. A zombie has ended too, if nothing reaps it.
    _ = try? shell(
      """
      p=$(cat \(file)); rm \(file); kill $p
      for i in $(seq 300); do
        case $(cut -d' ' -f3 /proc/$p/stat) in ''|Z) exit ;; esac
        sleep 0.1
      done
      """)
  }
}

extension World {
  /// Runs `cnictl` on the host, with a configuration directory of its own.
  func tryCnictl(_ arguments: [String]) throws -> Outcome {
    try lab.run(
      "\(Binaries.ours)/cnictl", arguments, in: lab.host,
      environment: [
        "PATH=/usr/sbin:/usr/bin", "NETCONFPATH=\(lab.directory)/net.d", "CNI_PATH=\(Binaries.ours)",
      ])
  }

  @discardableResult
  func cnictl(_ arguments: [String]) throws -> String {
    let outcome = try tryCnictl(arguments)
    try outcome.requireSuccess()
    return outcome.output
  }

  @discardableResult
  func cnictl(_ arguments: String...) throws -> String { try cnictl(arguments) }
}
