import Foundation
import Testing

@Suite struct NamesTests {
  @Test func `repair --names restores lost names, but not those of containers that are gone`() throws {
    let output = try Sandbox.output(
      """
      cat > /run/net.d/shop.conflist <<'END'
      {"cniVersion": "1.1.0", "name": "shop", "plugins": [
        {"type": "bridge", "bridge": "t-br0",
         "ipam": {"type": "ipam-host-local", "ranges": [[{"subnet": "10.7.0.0/24"}]]}},
        {"type": "dns-hosts", "files": "dir", "dir": "/run/files", "hostnameFile": false, "dns": {"nameservers": ["192.0.2.53"]}}]}
      END
      for name in web db gone; do cnictl netns add $name > /run/null; cnictl connect shop $name > /run/null; done
      rm -r /run/cni; ip netns delete gone
      cnictl repair --names; cnictl repair --names other
      cnictl check shop 2> /run/null | grep ': ok'
      grep -v '^#' /run/files/db/hosts | tail -n 4
      cnictl disconnect shop web; cnictl disconnect shop db; ls /run/files
      """)
    #expect(
      output == """
        db shop eth0: repaired
        web shop eth0: repaired
        db shop eth0: ok
        web shop eth0: ok
        10.7.0.3\tdb
        10.7.0.3\tdb.shop
        10.7.0.2\tweb
        10.7.0.2\tweb.shop
        disconnected web from shop: eth0 is gone
        disconnected db from shop: eth0 is gone
        gone

        """)
  }

  @Test func `repair --names changes no file of a healthy network, and disconnect leaves nothing`() throws {
    let output = try Sandbox.output(
      """
      cat > /run/net.d/shop.conflist <<'END'
      {"cniVersion": "1.1.0", "name": "shop", "plugins": [
        {"type": "bridge", "bridge": "t-br0", "ipam": {"type": "ipam-host-local", "ranges": [[{"subnet": "10.7.0.0/24"}]]}},
        {"type": "dns-hosts", "dns": {"nameservers": ["192.0.2.53"]}}]}
      END
      umask 077
      for name in web db; do cnictl netns add $name > /run/null; cnictl connect shop $name > /run/null; done
      files() { (cd /run/cni/containers; stat -c '%n %i %y %s' */*); }
      files > /run/before; cnictl repair --names; files | cmp /run/before - && echo same
      cnictl netns add cache > /run/null; cnictl connect shop cache > /run/null; cnictl check shop | wc -l
      grep -v '^#' /run/cni/containers/web/hosts | grep -c 'cache$'
      for name in web db cache; do cnictl disconnect shop $name > /run/null; done
      find /run/cni/containers -mindepth 1 2> /run/null | wc -l; stat -c %a /run/cni /run/cni/dns-hosts
      """)
    #expect(
      output == """
        db shop eth0: repaired
        web shop eth0: repaired
        same
        3
        1
        0
        755
        755

        """)
  }

  /// The command of the unit that `contrib/systemd/swift-cni-dns.path` starts.
  private func unitCommand() throws -> String {
    let directory = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "contrib/systemd")
    func values(_ key: String, in file: String) throws -> [String] {
      try String(contentsOf: directory.appending(path: file), encoding: .utf8).split(separator: "\n")
        .filter { $0.hasPrefix("\(key)=") }.map { String($0.dropFirst(key.count + 1)) }
    }
    #expect(try values("PathChanged", in: "swift-cni-dns.path").contains("/etc/resolv.conf"))
    let service = try #require(try values("Unit", in: "swift-cni-dns.path").first)
    return try #require(try values("ExecStart", in: service).first)
  }

  @Test func `the path unit's command updates every resolv.conf from the host's file`() throws {
    let output = try Sandbox.output(
      """
      cat > /run/net.d/shop.conflist <<'END'
      {"cniVersion": "1.1.0", "name": "shop", "plugins": [
        {"type": "bridge", "bridge": "t-br0", "ipam": {"type": "ipam-host-local", "ranges": [[{"subnet": "10.7.0.0/24"}]]}},
        {"type": "dns-hosts", "files": "dir", "dir": "/run/files"}]}
      END
      echo 'nameserver 192.0.2.1' > /run/host; mount --bind /run/host /etc/resolv.conf
      for name in web db; do cnictl netns add $name > /run/null; cnictl connect shop $name > /run/null; done
      echo 'nameserver 192.0.2.9' > /run/files/db/resolv.conf
      echo 'nameserver 192.0.2.2' > /run/host; echo 'search corp.example' >> /run/host
      mount -t tmpfs t-bin /usr/local/bin; ln -s "$(command -v cnictl)" /usr/local/bin/cnictl
      env -i \(unitCommand()) 2> /run/errors; grep -c 'db/resolv.conf: left alone' /run/errors
      grep -v '^#' /run/files/web/resolv.conf; cat /run/files/db/resolv.conf
      env -i \(unitCommand()) 2> /run/errors
      """)
    #expect(
      output == """
        web: resolv.conf rewritten
        1
        nameserver 192.0.2.2
        search corp.example
        nameserver 192.0.2.9

        """)
  }

  @Test func `repair --dns starts a network's own dnsmasq again`() throws {
    let output = try Sandbox.output(
      """
      cat > /run/net.d/shop.conflist <<'END'
      {"cniVersion": "1.1.0", "name": "shop", "plugins": [
        {"type": "bridge", "bridge": "t-br0", "isGateway": true,
         "ipam": {"type": "ipam-host-local", "ranges": [[{"subnet": "10.7.0.0/24"}]]}},
        {"type": "dns-hosts", "hosts": false, "resolvConf": false, "hostnameFile": false, "dnsmasq": {"run": true}}]}
      END
      cnictl netns add web > /run/null; cnictl connect shop web > /run/null
      end() { kill -9 $(cat /run/cni/dns-hosts/shop/.dnsmasq.pid); sleep 0.2; }
      end; cnictl check shop 2>&1 | grep -o 'no dnsmasq runs for network shop' || true
      cnictl repair --dns; cnictl check shop; cnictl repair --dns
      end; cnictl repair --dns --json | tr -d ' \n'; echo
      cnictl disconnect shop web; cnictl repair --dns; ss -lnu | grep -c 10.7.0.1:53 || true
      ls -A /run/cni/dns-hosts/shop
      """)
    #expect(
      output == """
        no dnsmasq runs for network shop
        shop: dnsmasq started
        web shop eth0: ok
        {"rewritten":[],"started":["shop"]}
        disconnected web from shop: eth0 is gone
        0
        .lock
        hostsdir

        """)
  }

  @Test func `repair with both --dns and --names is refused`() throws {
    let answer = try Sandbox.run("cnictl repair --dns --names")
    #expect(answer.status == 64)
    #expect(answer.errors.contains("--dns, --names: want only one of them"))
  }
}
