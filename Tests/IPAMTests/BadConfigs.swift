private let subnetWanted = #"want a subnet such as 10.1.0.0/16 or fd00::/64, "auto" or "auto-ipv6""#
private let spanWanted = "want an address, a prefix such as 10.1.2.0/28, or two addresses such as 10.1.2.3-10.1.2.9"

/// Members of `ipam`, and the message.
let badConfigs: [(String, String)] = [
  (#""x": 1"#, #"key "ipam": no IP ranges: want subnet or ranges"#),
  (#""ranges": []"#, #"key "ipam": no IP ranges: want subnet or ranges"#),
  (#""ranges": null, "subnet": """#, #"key "ipam": no IP ranges: want subnet or ranges"#),
  (#""rangeStart": "10.1.0.5""#, #"key "ipam": no IP ranges: want subnet or ranges"#),
  (#""ranges": [[]]"#, "ipam.ranges[0]: an empty range set: want at least one range"),
  (#""ranges": [[{"subnet": "10.1.0.0/24"}], []]"#, "ipam.ranges[1]: an empty range set: want at least one range"),
  (#""ranges": [[{}]]"#, "ipam.ranges[0][0].subnet: missing: \(subnetWanted)"),
  (#""ranges": [[{"rangeStart": "10.1.0.1"}]]"#, "ipam.ranges[0][0].subnet: missing: \(subnetWanted)"),
  (
    #""ranges": [[{"subnet": "10.1.0.0/24"}, {"gateway": "10.1.0.1"}]]"#,
    "ipam.ranges[0][1].subnet: missing: \(subnetWanted)"
  ),
  (#""ranges": {}"#, #"key "ipam.ranges": {}: want a list"#),
  (#""ranges": "10.1.0.0/24""#, #"key "ipam.ranges": "10.1.0.0/24": want a list"#),
  (#""ranges": [{"subnet": "10.1.0.0/24"}]"#, #"key "ipam.ranges[0]": {"subnet":"10.1.0.0/24"}: want a list"#),
  (#""ranges": [["10.1.0.0/24"]]"#, #"key "ipam.ranges[0][0]": "10.1.0.0/24": want an object"#),
  (#""ranges": [[null]]"#, #"key "ipam.ranges[0][0]": null: want an object"#),
  (#""subnet": "10.1.0.0""#, #"key "ipam.subnet": "10.1.0.0": \#(subnetWanted)"#),
  (#""subnet": "10.1.0.0/33""#, #"key "ipam.subnet": "10.1.0.0/33": \#(subnetWanted)"#),
  (#""subnet": "10.1.0.0/-1""#, #"key "ipam.subnet": "10.1.0.0/-1": \#(subnetWanted)"#),
  (#""subnet": "10.1.0/24""#, #"key "ipam.subnet": "10.1.0/24": \#(subnetWanted)"#),
  (#""subnet": "10.1.0.256/24""#, #"key "ipam.subnet": "10.1.0.256/24": \#(subnetWanted)"#),
  (#""subnet": "010.1.0.0/24""#, #"key "ipam.subnet": "010.1.0.0/24": \#(subnetWanted)"#),
  (#""subnet": "fd00::/129""#, #"key "ipam.subnet": "fd00::/129": \#(subnetWanted)"#),
  (#""subnet": "fd00:::/64""#, #"key "ipam.subnet": "fd00:::/64": \#(subnetWanted)"#),
  (#""subnet": "AUTO""#, #"key "ipam.subnet": "AUTO": \#(subnetWanted)"#),
  (#""subnet": 10"#, #"key "ipam.subnet": 10: want a string"#),
  (#""subnet": ["10.1.0.0/24"]"#, #"key "ipam.subnet": ["10.1.0.0/24"]: want a string"#),
  (#""Subnet": true"#, #"key "ipam.Subnet": true: want a string"#),
  (#""subnet": "10.1.0.5/24""#, "ipam.subnet 10.1.0.5/24: host bits are set: want 10.1.0.0/24"),
  (#""subnet": "fd00::5/64""#, "ipam.subnet fd00::5/64: host bits are set: want fd00::/64"),
  (#""subnet": "224.0.0.0/24""#, "ipam.subnet 224.0.0.0/24: multicast: want unicast addresses"),
  (#""subnet": "ff02::/64""#, "ipam.subnet ff02::/64: multicast: want unicast addresses"),
  (
    #""ranges": [[{"subnet": "10.1.0.9/29"}]]"#,
    "ipam.ranges[0][0].subnet 10.1.0.9/29: host bits are set: want 10.1.0.8/29"
  ),
  (#""subnet": "10.1.0.0/24", "rangeStart": "10.2.0.1""#, "ipam.rangeStart 10.2.0.1: not in subnet 10.1.0.0/24"),
  (#""subnet": "10.1.0.0/24", "rangeStart": "fd00::1""#, "ipam.rangeStart fd00::1: not in subnet 10.1.0.0/24"),
  (#""subnet": "10.1.0.0/24", "rangeEnd": "10.1.1.0""#, "ipam.rangeEnd 10.1.1.0: not in subnet 10.1.0.0/24"),
  (
    #""subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.5""#,
    "ipam.rangeEnd 10.1.0.5: the range 10.1.0.9-10.1.0.5 ends before it starts"
  ),
  (
    #""subnet": "10.1.0.0/24", "rangeStart": "10.1.0.255""#,
    "ipam.rangeStart 10.1.0.255: the range 10.1.0.255-10.1.0.254 ends before it starts"
  ),
  (
    #""subnet": "10.1.0.0/24", "rangeEnd": "10.1.0.0""#,
    "ipam.rangeEnd 10.1.0.0: the range 10.1.0.1-10.1.0.0 ends before it starts"
  ),
  (#""subnet": "10.1.0.0/24", "rangeStart": "ten""#, #"key "ipam.rangeStart": "ten": want an IPv4 or IPv6 address"#),
  (
    #""subnet": "10.1.0.0/24", "rangeStart": "10.1.0.255", "rangeEnd": "10.1.0.255""#,
    "ipam.subnet 10.1.0.255-10.1.0.255: nothing is left to hand out besides gateway, broadcast and excluded addresses"
  ),
  (#""subnet": "10.1.0.0/24", "rangeEnd": 5"#, #"key "ipam.rangeEnd": 5: want a string"#),
  (
    #""subnet": "10.1.0.0/24", "gateway": "10.1.0.1/24""#,
    #"key "ipam.gateway": "10.1.0.1/24": want an IPv4 or IPv6 address"#
  ),
  (
    #""subnet": "10.1.0.0/24", "gateway": "fd00::1""#,
    "ipam.gateway fd00::1: want an address of the family of subnet 10.1.0.0/24"
  ),
  (
    #""subnet": "fd00::/64", "gateway": "10.1.0.1""#,
    "ipam.gateway 10.1.0.1: want an address of the family of subnet fd00::/64"
  ),
  (
    #""ranges": [[{"subnet": "10.1.0.0/24"}]], "rangeStart": "10.1.0.5""#,
    "ipam.rangeStart 10.1.0.5: there is no ipam.subnet: want this key beside the subnet of its range"
  ),
  (
    #""ranges": [[{"subnet": "10.1.0.0/24"}]], "rangeEnd": "10.1.0.5""#,
    "ipam.rangeEnd 10.1.0.5: there is no ipam.subnet: want this key beside the subnet of its range"
  ),
  (
    #""ranges": [[{"subnet": "10.1.0.0/24"}]], "gateway": "10.1.0.5""#,
    "ipam.gateway 10.1.0.5: there is no ipam.subnet: want this key beside the subnet of its range"
  ),
  (
    #""ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "fd00::/64"}]]"#,
    "ipam.ranges[0]: subnets 10.1.0.0/24 and fd00::/64: mixed address families: want one family in a range set"
  ),
  (
    #""ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "10.1.0.128/25"}]]"#,
    "ipam.ranges[0]: 10.1.0.1-10.1.0.254 and 10.1.0.129-10.1.0.254 overlap"
  ),
  (
    #""ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.1.0.0/25"}]]"#,
    "ipam.ranges[1] overlaps ipam.ranges[0]: 10.1.0.1-10.1.0.126 and 10.1.0.1-10.1.0.254"
  ),
  (
    #""subnet": "10.1.0.0/24", "ranges": [[{"subnet": "10.1.0.0/24"}]]"#,
    "ipam.ranges[0] overlaps ipam.subnet: 10.1.0.1-10.1.0.254 and 10.1.0.1-10.1.0.254"
  ),
  (
    #""ranges": [[{"subnet": "auto"}, {"subnet": "auto"}]]"#,
    #"key "subnet": "auto" is written twice: want it once for a network"#
  ),
  (
    #""subnet": "auto-ipv6", "ranges": [[{"subnet": "auto-ipv6"}]]"#,
    #"key "subnet": "auto-ipv6" is written twice: want it once for a network"#
  ),
  (#""subnet": "auto""#, "ipam.subnet auto: no unused subnet is left"),
  (#""subnet": "10.1.0.0/24", "exclude": "10.1.0.5""#, #"key "ipam.exclude": "10.1.0.5": want a list"#),
  (#""subnet": "10.1.0.0/24", "exclude": ["10.1.0.5-"]"#, #"key "ipam.exclude[0]": "10.1.0.5-": \#(spanWanted)"#),
  (
    #""subnet": "10.1.0.0/24", "exclude": ["10.1.0.9-10.1.0.5"]"#,
    #"key "ipam.exclude[0]": "10.1.0.9-10.1.0.5": \#(spanWanted)"#
  ),
  (
    #""subnet": "10.1.0.0/24", "exclude": ["10.1.0.9", "10.1.0.9-fd00::1"]"#,
    #"key "ipam.exclude[1]": "10.1.0.9-fd00::1": \#(spanWanted)"#
  ),
  (
    #""subnet": "10.1.0.0/24", "exclude": ["10.1.0.9-10.1.0.10-10.1.0.11"]"#,
    #"key "ipam.exclude[0]": "10.1.0.9-10.1.0.10-10.1.0.11": \#(spanWanted)"#
  ),
  (#""subnet": "10.1.0.0/24", "exclude": [""]"#, #"key "ipam.exclude[0]": "": \#(spanWanted)"#),
  (
    #""subnet": "10.1.0.0/24", "exclude": ["10.1.0.9", "10.2.0.0/16"]"#,
    "ipam.exclude[1] 10.2.0.0-10.2.255.255: in none of the subnets"
  ),
  (
    #""ranges": [[{"subnet": "10.1.0.0/24", "exclude": ["10.2.0.1"]}]]"#,
    "ipam.ranges[0][0].exclude[0] 10.2.0.1: not in subnet 10.1.0.0/24"
  ),
  (
    #""subnet": "10.1.0.0/24", "exclude": ["10.1.0.0/24"]"#,
    "ipam.subnet 10.1.0.1-10.1.0.254: nothing is left to hand out besides gateway, broadcast and excluded addresses"
  ),
  (
    #""subnet": "10.1.0.7/32", "gateway": "10.1.0.7""#,
    "ipam.subnet 10.1.0.7-10.1.0.7: nothing is left to hand out besides gateway, broadcast and excluded addresses"
  ),
  (#""subnet": "10.1.0.0/24", "sticky": "yes""#, #"key "ipam.sticky": "yes": want true or false"#),
  (#""subnet": "10.1.0.0/24", "dataDir": 5"#, #"key "ipam.dataDir": 5: want a string"#),
  (
    #""subnet": "10.1.0.0/24", "resolvConf": ["/etc/resolv.conf"]"#,
    #"key "ipam.resolvConf": ["/etc/resolv.conf"]: want a string"#
  ),
  (
    #""subnet": "10.1.0.0/24", "routes": {"dst": "0.0.0.0/0"}"#, #"key "ipam.routes": {"dst":"0.0.0.0/0"}: want a list"#
  ),
  (#""subnet": "10.1.0.0/24", "routes": [{"gw": "10.1.0.1"}]"#, #"key "ipam.routes[0].dst": missing"#),
  (
    #""subnet": "10.1.0.0/24", "routes": [{"dst": "default"}]"#,
    #"key "ipam.routes[0].dst": "default": want an address with a prefix length, such as 10.1.2.3/24 or fd00::1/64"#
  ),
  (
    #""subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0", "gw": "here"}]"#,
    #"key "ipam.routes[0].gw": "here": want an IPv4 or IPv6 address"#
  ),
  (
    #""subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0", "gw": "fd00::1"}]"#,
    "route 0.0.0.0/0: gw fd00::1: want an address of the same family"
  ),
  (
    #""subnet": "10.1.0.0/24", "routes": [{"dst": "10.9.0.0/16", "gw": "224.0.0.1"}]"#,
    "route 10.9.0.0/16: gw 224.0.0.1: want the unicast address of a router"
  ),
  (
    #""subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0", "mtu": -1}]"#,
    "ipam.routes[0].mtu -1: want 0 to 4294967295"
  ),
  (
    #""subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0", "mtu": "1400"}]"#,
    #"key "ipam.routes[0].mtu": "1400": want a whole number"#
  ),
  (
    #""subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0", "advmss": 4294967296}]"#,
    "ipam.routes[0].advmss 4294967296: want 0 to 4294967295"
  ),
  (
    #""subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0", "priority": -5}]"#,
    "ipam.routes[1].priority -5: want 0 to 4294967295"
  ),
  (
    #""subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0", "table": -1}]"#,
    "ipam.routes[0].table -1: want 0 to 4294967295"
  ),
  (
    #""subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0", "scope": 256}]"#,
    "ipam.routes[0].scope 256: want 0 to 255"
  ),
]
