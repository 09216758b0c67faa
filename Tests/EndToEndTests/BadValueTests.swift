import CNI
import LabSupport
import Testing

/// Invalid values of members that are objects, lists or names.
@Suite(.needsRoot)
struct BadValueTests {
  static let names: [BadCall] = [
    .keys(#"{"bridge": 5}"#, 7, "\"bridge\": 5"), .keys(#"{"bridge": ["br0"]}"#, 7, "\"bridge\""),
    .keys(#"{"bridge": "a/b"}"#, 7, "\"bridge\"", "a/b", "interface name"),
    .keys(#"{"bridge": "sixteen-bytes-xx"}"#, 7, "\"bridge\"", "15 bytes"),
    .keys(#"{"bridge": ".."}"#, 7, "\"bridge\"", "interface name"),
    .keys(#"{"bridge": "a b"}"#, 7, "\"bridge\"", "a b"),
    .keys(#"{"name": null}"#, 7, "missing network name"), .keys(#"{"name": ""}"#, 7, "missing network name"),
    .keys(#"{"name": 5}"#, 7, "\"name\": 5"), .keys(#"{"name": "../x"}"#, 7, "network name", "../x"),
    .keys(#"{"name": "a/b"}"#, 7, "network name", "a/b"), .keys(#"{"name": "."}"#, 7, "network name"),
    .keys(#"{"name": ".hidden"}"#, 7, "network name"), .keys(#"{"name": "a b"}"#, 7, "network name"),
    .keys(#"{"name": "a..b"}"#, 7, "network name", "a..b"), .keys(#"{"name": "\u0000"}"#, 7, "network name"),
    .keys(#"{"type": "../bridge"}"#, 7, "\"type\"", "../bridge"),
    .keys(#"{"type": "/bin/sh"}"#, 7, "\"type\"", "/bin/sh"),
    .keys(#"{"type": 5}"#, 7, "\"type\": 5"), .keys(#"{"type": ".."}"#, 7, "\"type\""),
    .keys(#"{"ipam": {"type": "../host-local"}}"#, 7, "\"ipam.type\"", "../host-local"),
    .keys(#"{"ipam": {"type": "/bin/sh"}}"#, 7, "\"ipam.type\"", "/bin/sh"),
    .keys(#"{"ipam": {"type": ".."}}"#, 7, "\"ipam.type\""), .keys(#"{"ipam": {"type": 5}}"#, 7, "\"ipam.type\": 5"),
    .keys(#"{"ipam": 5}"#, 7, "\"ipam\": 5"), .keys(#"{"ipam": "host-local"}"#, 7, "\"ipam\""),
    .keys(#"{"ipam": []}"#, 7, "\"ipam\""),
    .keys(#"{"ipam": {"type": "no-such-plugin"}}"#, 105, "no-such-plugin", "CNI_PATH"),
  ]

  @Test(arguments: names)
  func `an empty name and a name with a path are refused`(call: BadCall) throws { try call.expectRefusal() }

  static let members: [BadCall] = [
    .keys(#"{"prevResult": 5}"#, 7, "\"prevResult\": 5"),
    .keys(#"{"prevResult": {"ips": "none"}}"#, 7, "prevResult.ips"),
    .keys(#"{"prevResult": {"ips": [{"address": "nonsense"}]}}"#, 7, "prevResult.ips[0].address", "nonsense"),
    .keys(#"{"prevResult": {"ips": [{"address": "10.0.0.1/33"}]}}"#, 7, "prevResult.ips[0].address", "10.0.0.1/33"),
    .keys(
      #"{"prevResult": {"ips": [{"address": "10.0.0.1/24", "interface": 7}]}}"#, 7, "prevResult.ips[0].interface", "7",
      "0 interfaces"),
    .keys(#"{"prevResult": {"interfaces": 5}}"#, 7, "prevResult.interfaces"),
    .keys(#"{"prevResult": {"ip4": {"ip": "x"}}}"#, 7, "prevResult.ip4.ip"),
    .keys(#"{"runtimeConfig": 5}"#, 7, "\"runtimeConfig\": 5"),
    .keys(#"{"runtimeConfig": {"ips": 5}}"#, 7, "runtimeConfig.ips"),
    .keys(#"{"runtimeConfig": {"ips": ["nonsense"]}}"#, 7, "runtimeConfig.ips[0]", "nonsense"),
    .keys(#"{"runtimeConfig": {"mac": "zz"}}"#, 7, "runtimeConfig.mac", "zz"),
    .keys(#"{"runtimeConfig": {"mac": "01:00:5e:00:00:01"}}"#, 7, "01:00:5e:00:00:01", "unicast"),
    .keys(#"{"runtimeConfig": {"mac": "00:00:00:00:00:00"}}"#, 7, "00:00:00:00:00:00", "unicast"),
    .keys(#"{"runtimeConfig": {"dns": 5}}"#, 7, "runtimeConfig.dns"),
    .keys(#"{"runtimeConfig": {"ipRanges": 5}}"#, 7, "runtimeConfig.ipRanges"),
    .keys(#"{"args": 5}"#, 7, "\"args\": 5"), .keys(#"{"args": {"cni": 5}}"#, 7, "args.cni"),
    .keys(#"{"args": {"cni": {"ips": ["nonsense"]}}}"#, 7, "args.cni.ips[0]", "nonsense"),
    .keys(#"{"args": {"cni": {"mac": "zz"}}}"#, 7, "args.cni.mac", "zz"),
    .keys(
      #"{"args": {"org.apache.mesos": {"network_info": {"ip_addresses": [{"ip_address": "x"}]}}}}"#, 7, "ip_address"),
    .keys(#"{"dns": 5}"#, 7, "\"dns\": 5"), .keys(#"{"dns": {"nameservers": "x"}}"#, 7, "dns.nameservers"),
    .keys(#"{"dns": {"search": [5]}}"#, 7, "dns.search[0]", "5"),
    .keys("{}", 7, "prevResult", command: "CHECK"),
    .keys(#"{"cni.dev/valid-attachments": 5}"#, 7, "cni.dev/valid-attachments", command: "GC"),
    .keys(#"{"cni.dev/valid-attachments": [5]}"#, 7, "cni.dev/valid-attachments[0]", command: "GC"),
    .keys(
      #"{"cni.dev/valid-attachments": [{"containerID": "../x", "ifname": "eth0"}]}"#, 7, "containerID", "../x",
      command: "GC"),
    .keys(#"{"cni.dev/valid-attachments": [{"containerID": "c"}]}"#, 7, "ifname", "missing", command: "GC"),
    .keys(#"{"mtu": "high"}"#, 7, "\"mtu\"", command: "STATUS"),
    .keys(#"{"bridge": 5}"#, 7, "\"bridge\"", command: "GC"),
  ]

  @Test(arguments: members)
  func `a wrong value is refused and named with its key`(call: BadCall) throws { try call.expectRefusal() }

  static let ranges: [BadCall] = [
    .ipam(#"{"ranges": 5}"#, 7, "ipam.ranges"), .ipam(#"{"ranges": []}"#, 7, "range"),
    .ipam(#"{"ranges": [[]]}"#, 7, "empty"),
    .ipam(#"{"ranges": [[5]]}"#, 7, "ipam.ranges[0][0]"), .ipam(#"{"ranges": [[{}]]}"#, 7, "subnet"),
    .ipam(#"{"ranges": [[{"subnet": "nonsense"}]]}"#, 7, "ipam.ranges[0][0].subnet", "nonsense"),
    .ipam(#"{"ranges": [[{"subnet": "10.77.0.0"}]]}"#, 7, "10.77.0.0"),
    .ipam(#"{"ranges": [[{"subnet": "10.77.0.0/33"}]]}"#, 7, "10.77.0.0/33"),
    .ipam(#"{"ranges": [[{"subnet": "10.77.0.5/24"}]]}"#, 7, "host bits", "10.77.0.0"),
    .ipam(#"{"ranges": [[{"subnet": "10.77.0.0/24", "rangeStart": "10.78.0.1"}]]}"#, 7, "10.78.0.1", "10.77.0.0/24"),
    .ipam(#"{"ranges": [[{"subnet": "10.77.0.0/24", "rangeEnd": "x"}]]}"#, 7, "rangeEnd", "x"),
    .ipam(
      #"{"ranges": [[{"subnet": "10.77.0.0/24", "rangeStart": "10.77.0.9", "rangeEnd": "10.77.0.3"}]]}"#, 7, "10.77.0.9"
    ),
    .ipam(#"{"ranges": [[{"subnet": "10.77.0.0/24", "gateway": "x"}]]}"#, 7, "gateway", "x"),
    .ipam(#"{"ranges": [[{"subnet": "10.77.0.0/24"}, {"subnet": "fd77::/64"}]]}"#, 7, "famil"),
    .ipam(#"{"ranges": [[{"subnet": "10.77.0.0/24"}], [{"subnet": "10.77.0.0/25"}]]}"#, 7, "overlap"),
    .ipam(#"{"ranges": [[{"subnet": "10.77.0.0/24"}, {"subnet": "10.77.0.128/25"}]]}"#, 7, "overlap"),
    .ipam(#"{"routes": 5}"#, 7, "ipam.routes"), .ipam(#"{"routes": [{"dst": "x"}]}"#, 7, "ipam.routes[0].dst", "x"),
    .ipam(#"{"routes": [{"gw": "10.77.0.9"}]}"#, 7, "dst", "missing"),
    .ipam(#"{"routes": [{"dst": "10.9.0.0/16", "gw": "fd77::1"}]}"#, 7, "10.9.0.0/16", "fd77::1", "family"),
    .ipam(#"{"routes": [{"dst": "10.9.0.0/16", "mtu": -1}]}"#, 7, "mtu -1"),
    .ipam(#"{"routes": [{"dst": "10.9.0.0/16", "priority": -1}]}"#, 7, "priority -1"),
    .ipam(#"{"routes": [{"dst": "10.9.0.0/16", "table": 4294967296}]}"#, 7, "table 4294967296"),
    .ipam(#"{"routes": [{"dst": "10.9.0.0/16", "scope": 256}]}"#, 7, "scope 256"),
    .ipam(#"{"routes": [{"dst": "10.9.0.0/16", "advmss": "x"}]}"#, 7, "advmss", "x"),
    .ipam(
      #"{"routes": [{"dst": "10.9.0.0/16", "gw": "192.0.2.1", "scope": 254}]}"#, 7, "10.9.0.0/16", "192.0.2.1",
      "scope 254"),
    .ipam(#"{"exclude": ["x"]}"#, 7, "exclude", "x"), .ipam(#"{"sticky": "yes"}"#, 7, "sticky", "true or false"),
  ]

  @Test(arguments: ranges)
  func `wrong ranges and routes are refused`(call: BadCall) throws { try call.expectRefusal() }
}
