import LabSupport
import Testing

extension World {
  /// Runs `body` while firewalld runs, with its built-in configuration and a D-Bus daemon of its own.
  ///
  /// Its files and logs are in the lab's mount namespace: the machine's `/etc/firewalld` stays unchanged.
  func withFirewalld(_ body: () throws -> Void) throws {
    try shell(
      """
      mkdir -p /run/dbus
      for d in /run/dbus /etc/firewalld /var/log; do mount -t tmpfs tmpfs $d; done
      cat > \(lab.directory)/bus.conf <<'END'
      <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
       "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
      <busconfig>
        <type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
        <policy context="default">
          <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
        </policy>
      </busconfig>
      END
      """)
    try launch("bus", "dbus-daemon --config-file=\(lab.directory)/bus.conf --nofork --nopidfile")
    defer { end("bus") }
    try shell("for i in $(seq 100); do [ -S /run/dbus/system_bus_socket ] && exit; sleep 0.1; done; exit 1")
    try startFirewalld()
    defer { end("firewalld") }
    try body()
  }

  func startFirewalld() throws {
    try launch("firewalld", "firewalld --nofork --nopid")
    try shell("for i in $(seq 300); do firewall-cmd --state > /dev/null 2>&1 && exit; sleep 0.1; done; exit 1")
  }

  /// The zone's sources at runtime, or in the permanent configuration.
  func sources(_ zone: String = "trusted", permanently: Bool = false) throws -> Set<String> {
    let output = try shell("firewall-cmd \(permanently ? "--permanent" : "") --zone=\(zone) --list-sources")
    return Set(output.split(whereSeparator: \.isWhitespace).map(String.init))
  }

  func repair() throws { try lab.run("\(Binaries.ours)/cnictl", ["repair"], in: lab.host).requireSuccess() }
}
