import LabSupport

extension World {
  /// Starts a program on the host that ends with `end`, or after two minutes.
  func launch(_ name: String, _ command: String) throws {
    let file = "\(lab.directory)/\(name)"
    try shell("timeout 120 \(command) > \(file).log 2>&1 < /dev/null & echo $! > \(file).pid")
  }

  /// Ends what `launch` started and waits until it has ended.
  func end(_ name: String) {
    let file = "\(lab.directory)/\(name).pid"
    // It may have ended by itself.
    _ = try? shell(
      "p=$(cat \(file)); rm \(file); kill $p; for i in $(seq 300); do kill -0 $p || exit 0; sleep 0.1; done")
  }
}
