public import CNI
import Foundation
public import LabSupport

/// FRR on one host, with its own files in the lab's `/etc/frr` and `/run/frr`.
public struct Router: Sendable {
  public let lab: Lab

  public init(lab: Lab) { self.lab = lab }

  public static let files = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../conf-examples/evpn").standardized.path

  /// Writes the files that an administrator would write.
  public func configure(_ configuration: String) throws {
    try configuration.write(toFile: "\(lab.directory)/frr.conf", atomically: true, encoding: .utf8)
    try lab.shell(
      """
      cp \(lab.directory)/frr.conf \(Self.files)/daemons /etc/frr
      echo 'service integrated-vtysh-config' > /etc/frr/vtysh.conf
      chown -R frr:frr /etc/frr /run/frr
      """, in: lab.host)
  }

  /// Starts the daemons and gives them their configuration, as `systemctl start frr` does.
  ///
  /// The daemons end after at most 15 minutes, even if the test does not stop them.
  public func start() throws {
    try lab.shell(
      """
      . /etc/frr/daemons
      begin() {
        timeout 900 /usr/lib/frr/$1 $2 --log file:/run/frr/$1.log > /dev/null 2>&1 < /dev/null &
        tries=0
        until [ -S /run/frr/$1.vty ]; do tries=$((tries + 1)); [ $tries -lt 1200 ] || exit 9; sleep 0.05; done
      }
      begin zebra "$zebra_options"
      if [ "$bgpd" = yes ]; then begin bgpd "$bgpd_options"; fi
      if [ "$bfdd" = yes ]; then begin bfdd "$bfdd_options"; fi
      vtysh -b > /run/frr/loading 2>&1 || { cat /run/frr/loading /run/frr/*.log >&2; exit 8; }
      """, in: lab.host)
  }

  /// Ends the running daemons; they withdraw their routes and remove their kernel entries.
  ///
  /// Sometimes zebra deadlocks at its end: it is killed after two seconds, as an init system does.
  public func stop() throws { try end(by: "TERM") }

  /// Kills the daemons, so that they withdraw nothing.
  public func kill() throws { try end(by: "KILL") }

  /// Stops bgpd (SIGSTOP) while `body` runs, as if the machine were overloaded.
  public func withStoppedBGP<Value>(_ body: () throws -> Value) throws -> Value {
    try lab.shell("kill -STOP $(cat /run/frr/bgpd.pid)", in: lab.host)
    let outcome = Result { try body() }
    try lab.shell("kill -CONT $(cat /run/frr/bgpd.pid)", in: lab.host)
    return try outcome.get()
  }

  /// Stops bgpd for half a second, and returns at once.
  public func stopBGPForHalfASecond() throws {
    try lab.shell(
      """
      pid=$(cat /run/frr/bgpd.pid)
      kill -STOP $pid
      { sleep 0.5; kill -CONT $pid; } > /dev/null 2>&1 < /dev/null &
      """, in: lab.host)
  }

  private func end(by signal: String) throws {
    try lab.shell(
      """
      for daemon in bfdd bgpd zebra; do
        if [ -s /run/frr/$daemon.pid ]; then
          pid=$(cat /run/frr/$daemon.pid)
          kill -\(signal) $pid 2> /dev/null || true
          tries=0
          while [ -d /proc/$pid ]; do
            tries=$((tries + 1)); [ $tries -ne 40 ] || kill -KILL $pid || true
            sleep 0.05
          done
          rm -f /run/frr/$daemon.pid /run/frr/$daemon.vty
        fi
      done
      """, in: lab.host)
  }

  /// The output of a vtysh command that ends in `json`.
  public func show(_ command: String) throws -> JSONValue {
    try lab.json("vtysh -c 'show \(command) json'", in: lab.host)
  }

  /// The number of neighbours with an established BGP session and BFD state up.
  public func neighbourCount() throws -> Int {
    try show("bgp neighbors").object?.values
      .count { $0.text("bgpState") == "Established" && $0.text("peerBfdInfo.status") == "Up" } ?? 0
  }
}
