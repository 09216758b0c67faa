import Foundation
import Testing

private let directory = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../conf-examples")
  .standardized.path

/// Examples that two containers can share on any kernel, and how many addresses a container has there; scripts/conf-examples
/// runs every file of conf-examples with one container.
private let examples = [
  ("bridge", 1), ("dual-stack", 2), ("ipv6-only", 1), ("l2-only", 0), ("static-address", 1), ("auto-subnet", 2),
  ("internal", 1), ("none", 0), ("published", 2), ("separate", 0), ("macvlan", 1), ("macvlan-host", 1), ("ptp", 2),
  ("names", 1), ("shop", 2), ("overlay-routed", 1), ("overlay-bridged", 1), ("overlay-multicast", 2),
]

@Suite struct ExampleRunTests {
  @Test(arguments: examples)
  func `an example connects two containers, passes check and leaves nothing`(name: String, count: Int) throws {
    let output = try Sandbox.output(
      """
      ip link add eth0 type veth peer name lan; ip link set eth0 up; ip link set lan up
      ip address add 192.168.1.10/24 dev eth0; ip address add 192.168.2.10/24 dev eth0
      cp \(directory)/*.conf* /run/net.d; cnictl validate | grep -v ': ok$' || true
      addresses() {
        cnictl netns exec "$1" ip -oneline address show scope global | awk '{ sub("/.*", "", $4); print $4 }'
      }
      for container in a b; do
        cnictl netns add $container > /run/null; cnictl connect \(name) $container > /run/null
      done
      for address in $(addresses b); do
        if cnictl netns exec a ping -q -c 1 -W 2 $address > /run/null; then echo reached; fi
      done
      cnictl check \(name); cnictl status \(name) | tail -n 1
      cnictl disconnect \(name) a; cnictl netns rm b; cnictl network rm \(name)
      ip link delete eth0; ip -oneline link | cut -d: -f2; ls /var/lib/cni/results /run/netns
      find /var/lib/cni/networks -name '*[.:]*' -type f -not -path '*/.*' -not -name 'last_reserved*' 2> /run/null || true
      """)
    let padded = name + String(repeating: " ", count: 20 - name.count)
    #expect(
      output == String(repeating: "reached\n", count: count) + """
        a \(name) eth0: ok
        b \(name) eth0: ok
        \(padded)ready
        disconnected a from \(name): eth0 is gone
        b
        \(name)
         lo
        /run/netns:
        a

        /var/lib/cni/results:

        """)
  }

  @Test func `connect with a requested address assigns it, and disconnect works`() throws {
    let output = try Sandbox.output(
      """
      cp \(directory)/50-static-address.conflist /run/net.d; cnictl netns add a > /run/null
      cnictl connect static-address a --ip 10.91.0.77; cnictl disconnect static-address a
      """)
    #expect(
      output == """
        connected a to static-address as eth0: 10.91.0.77/24 mac 02:42:0a:5b:00:4d
        disconnected a from static-address: eth0 is gone

        """)
  }
}
