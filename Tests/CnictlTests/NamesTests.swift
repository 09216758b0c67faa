import Testing

@Suite struct NamesTests {
  @Test func `names that somebody forgot are told anew, those of containers that are gone are not`() throws {
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

  @Test func `two kinds of repair at once are refused`() throws {
    let answer = try Sandbox.run("cnictl repair --dns --names")
    #expect(answer.status == 64)
    #expect(answer.errors.contains("--dns, --names: want one of them"))
  }
}
