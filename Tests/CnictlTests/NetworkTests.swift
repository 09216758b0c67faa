import CNI
import CNIRuntime
import Testing

/// The expected output: the file names, permissions and contents of the created networks.
private let created = #"""
  came: blue.conflist
  644 /run/net.d/blue.conflist
  644 /run/net.d/green.conflist
  blue.conflist
  green.conflist
  /run/net.d/blue.conflist:  "cniVersion": "1.0.0",
  /run/net.d/green.conflist:  "cniVersion": "1.1.0",
  {
    "cniVersion": "1.0.0",
    "name": "blue",
    "plugins": [
      {
        "type": "bridge",
        "bridge": "br-\#(SHA256.hex("blue\0/run/net.d/blue.conflist").prefix(12))",
        "ipMasq": true,
        "isGateway": true,
        "isolation": "network",
        "capabilities": {
          "ips": true,
          "mac": true
        },
        "ipam": {
          "type": "ipam-host-local",
          "ranges": [
            [
              {
                "subnet": "10.1.0.0/24",
                "gateway": "10.1.0.9"
              }
            ]
          ],
          "routes": [
            {
              "dst": "0.0.0.0/0"
            }
          ]
        }
      },

  """#

@Suite struct NetworkTests {
  @Test func `ls shows Docker's columns`() throws {
    let output = try Sandbox.output(
      """
      network isolated_nw bridge; network none none; network host host
      network a-network-of-a-very-long-name macvlan
      cnictl network ls
      """)
    let id = { (name: String) in SHA256.hex("\(name)\0/run/net.d/\(name).conflist").prefix(12) }
    #expect(
      output == """
        NETWORK ID          NAME                            DRIVER
        \(id("a-network-of-a-very-long-name"))        a-network-of-a-very-long-name   macvlan
        \(id("host"))        host                            host
        \(id("isolated_nw"))        isolated_nw                     bridge
        \(id("none"))        none                            null

        """)
  }

  @Test func `ls without networks prints the heading and names invalid files`() throws {
    let answer = try Sandbox.run("echo '{' > /run/net.d/10-broken.conf; cnictl network ls")
    #expect(answer.output == "NETWORK ID          NAME                DRIVER\n")
    #expect(answer.errors.hasPrefix("cnictl: /run/net.d/10-broken.conf cannot be used: not valid JSON"))
    #expect(answer.status == 0)
  }

  @Test func `inspect shows containers as Docker does`() throws {
    let output = try Sandbox.output(
      """
      network blue fake; cnictl network inspect blue
      cnictl netns add c1 > /run/null; cnictl connect blue c1 > /run/null
      cnictl network inspect blue; cnictl network inspect --json blue
      """)
    let id = SHA256.hex("blue\0/run/net.d/blue.conflist"), endpoint = SHA256.hex("blue\0c1\0eth0")
    let heading = """
      {
        "name": "blue",
        "id": "\(id)",
        "driver": "fake",

      """
    #expect(
      output == """
        \(heading)  "containers": {}
        }
        \(heading)  "containers": {
            "c1": {
              "endpoint": "\(endpoint)",
              "ipv4_address": "172.17.0.3/16",
              "ipv6_address": "",
              "mac_address": "02:42:ac:11:00:03"
            }
          }
        }
        {"containers":{"c1":{"endpoint":"\(endpoint)","ipv4_address":"172.17.0.3/16","ipv6_address":"",\
        "mac_address":"02:42:ac:11:00:03"}},"driver":"fake","id":"\(id)","name":"blue"}

        """)
  }

  @Test func `create writes a network, prints its ID and refuses an existing name`() throws {
    let output = try Sandbox.output(
      """
      cnictl network create -d bridge --subnet 10.1.0.0/24 --opt hairpinMode=true isolated_nw
      cnictl validate | grep -v 'no plugin "ipam-host-local"' | grep -v '^cnictl' || true
      if cnictl network create isolated_nw 2>&1; then exit 3; fi
      if cnictl network create --subnet 10.1.0.128/25 other 2>&1; then exit 3; fi
      ls /run/net.d
      """)
    let file = "/run/net.d/isolated_nw.conflist"
    let lines = output.split(separator: "\n").filter { $0 != "\(file): ok" }
    #expect(
      lines == [
        SHA256.hex("isolated_nw\0\(file)")[...], "Error: network isolated_nw exists already: \(file) (code 7)",
        "Error: subnet 10.1.0.128/25 overlaps 10.1.0.0/24 of network isolated_nw (\(file)): want another --subnet (code 7)",
        "isolated_nw.conflist",
      ])
  }

  @Test func `create writes a file that inotify reports and every runtime can read`() throws {
    let output = try Sandbox.output(
      #"""
      umask 077
      cat > /run/watch.py <<'END'
      ctypes, os = __import__("ctypes"), __import__("os")
      libc = ctypes.CDLL(None)
      watch = libc.inotify_init()
      libc.inotify_add_watch(watch, b"/run/net.d", 0x80)  # IN_MOVED_TO
      open("/run/ready", "w").close()
      print("came:", os.read(watch, 4096)[16:].rstrip(b"\0").decode(), flush=True)
      END
      python3 /run/watch.py & watching=$!
      until [ -e /run/ready ]; do sleep 0.05; done
      cnictl network create --subnet 10.1.0.0/24 --gateway 10.1.0.9 blue > /run/null; wait $watching
      cnictl network create --cni-version 1.1.0 green > /run/null
      stat -c '%a %n' /run/net.d/*; ls -A /run/net.d; grep cniVersion /run/net.d/*; head -n 31 /run/net.d/blue.conflist
      """#)
    #expect(output == created)
  }

  @Test func `rm refuses while a container is attached, then cleans up and removes the network`() throws {
    let script = """
      network blue fake; cnictl netns add c1 > /run/null; cnictl connect blue c1 > /run/null

      """
    let errorText = try Sandbox.refusal(script + "cnictl network rm blue")
    #expect(
      errorText == """
        Error: network blue is in use by container c1 as eth0 in /run/netns/c1: disconnect first; \
        cnictl gc blue removes those whose namespace is gone (code 7)

        """)
    let output = try Sandbox.output(
      script + """
        cnictl disconnect blue c1 > /run/null; cnictl network rm blue; ls /run/net.d; tail -n 1 /run/calls
        """)
    #expect(output == "blue\nGC   \n")
  }

  @Test func `rm keeps a network that a plugin cannot clean up unless it is forced`() throws {
    let errorText = try Sandbox.refusal("network blue fake; echo GC > /run/refuse; cnictl network rm blue")
    #expect(errorText == "Error: network blue: plugin fake GC: not now: ask again (code 11)\n")
    let forced = try Sandbox.run(
      "network blue fake; echo GC > /run/refuse; cnictl network rm --force blue; ls /run/net.d")
    #expect(forced.status == 0)
    #expect(forced.output == "blue\n")
    #expect(forced.errors.hasPrefix("cnictl: remains of the plugins were not removed: "))
  }

  @Test(arguments: [
    ("network inspect red", #"no network "red": the networks are blue (code 7)"#),
    ("network rm red", #"no network "red": the networks are blue (code 7)"#),
    ("connect red c1", #"no network "red": the networks are blue (code 7)"#),
    ("status red", #"no network "red": the networks are blue (code 7)"#),
    ("gc red", #"no network "red": the networks are blue (code 7)"#),
    ("connect blue c9", "open /run/netns/c9: No such file or directory (code 8)"),
    (
      "connect blue /run/net.d/blue.conflist",
      "open network namespace /run/net.d/blue.conflist: not a network namespace (code 8)"
    ),
    ("disconnect blue c1", "/run/netns/c1 is not on network blue: no container is (code 3)"),
    (
      "connect blue c1 --publish 80:80",
      #"network blue: cannot publish ports: none of its plugins declares "capabilities": {"portMappings": true} (code 7)"#
    ),
    (
      "connect blue c1 --plugin-dir /x",
      #"no plugin "fake" in /x: install it there, or name its directory with --plugin-dir or CNI_PATH (code 7)"#
    ),
    ("validate /x.conf", "open /x.conf: No such file or directory (code 5)"),
    ("netns rm c9", "no namespace /run/netns/c9 (code 8)"),
    ("netns add c1", "open /run/netns/c1: File exists (code 8)"),
    ("network create --gateway 10.0.0.1 red", "gateway 10.0.0.1: want an address in one of the subnets [] (code 7)"),
  ])
  func `an error says what to do next`(command: String, complaint: String) throws {
    let script = "network blue fake; cnictl netns add c1 > /run/null; cnictl "
    #expect(try Sandbox.refusal(script + command) == "Error: \(complaint)\n")
  }

  @Test(arguments: [
    "connect blue", "connect blue c1 --pid 1", "connect blue ./c1", "connect blue c1 --mac 7", "connect blue c1 --ip x",
    "connect blue c1 --publish x", "connect blue c1 --args x", "disconnect blue", "network create -d weave x",
    "network create ../x", "network create --opt x x", "network create --cni-version 0.3.1 x", "network ls --timeout 0",
    "nonsense",
  ])
  func `a wrong command line exits with status 64`(command: String) throws {
    #expect(try Sandbox.run("network blue fake; cnictl \(command)").status == 64)
  }

  @Test func `with --json errors are JSON on standard output`() throws {
    let answer = try Sandbox.run("cnictl network inspect --json red")
    #expect(answer.status == 1 && answer.errors.isEmpty)
    #expect(
      answer.output == """
        {
          "code": 7,
          "msg": "no network \\"red\\": there are no networks",
          "details": ""
        }

        """)
  }
}
