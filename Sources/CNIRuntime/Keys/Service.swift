import CNI

extension KeyTable {
  static let service = KeyTable(
    "service", "Gives several containers one virtual address.",
    [
      Key("service", .string, default: unlessLabelled, "The service's name: lower-case letters, digits and `-`."),
      Key(
        "vip", .list(.address), default: unlessLabelled,
        "The virtual addresses. No container and no other host may have them."),
      Key(
        "ports",
        .list(
          .members([
            Key("port", .int, in: KeyRange.port, default: Key.required, "The port at the virtual addresses."),
            Key("targetPort", .int, in: KeyRange.port, default: "`port`", "The containers' port."),
            transport(default: "`tcp`"),
          ])), default: unlessLabelled, "The service's ports."),
      Key(
        "vipRange", .list(.prefix), default: "no labels",
        "One prefix for each family: the virtual addresses of services that containers name by labels `VIP_n`."),
      Key(
        "scheduler", .word(["random", "roundRobin", "source"]), default: "`random`",
        "How a connection's container is chosen. `source`: the same for all connections from an address, as long as no container comes or goes."
      ),
      Key(
        "resolve", .word(["vip", "members"]), default: "`vip`",
        "What `dns-hosts` lets the service's name lead to: the virtual addresses, or the addresses of the containers."),
      Key(
        "weight", .int, in: KeyRange.backEndWeight, default: "1",
        "This container's share of the connections, beside the others' weights; 0: none."),
      Key(
        "publish",
        .list(
          .members([
            Key("hostPort", .int, in: KeyRange.port, default: Key.required, "The port at all addresses of the host."),
            Key("port", .int, in: KeyRange.port, default: "the only one", "The service's port that it stands for."),
            transport(default: "the port's"),
          ])), "The service at ports of the host."),
      Key(
        "etcd",
        .members(
          Key.shared(
            "back-ends", below: "/swift-cni",
            "`PREFIX/services/NETWORK/CONTAINER:INTERFACE` is `{\"node\", \"backEnds\"}`.")),
        "Shares the service with the network's other hosts."),
      Key(
        "health",
        .members([
          Key("tcp", .int, in: KeyRange.port, "The port to connect to; or `http`."),
          Key("http", .string, "The path of an HTTP request, whose answer must have a status of 200 to 399."),
          Key(
            "port", .int, in: KeyRange.port, default: "the first TCP port's `targetPort`", "The port of the request."),
          Key("interval", .int, in: KeyRange.healthInterval, default: "5", "Seconds between two checks."),
          Key(
            "timeout", .int, in: KeyRange.healthTimeout, default: "2, at most `interval`",
            "Seconds for the answer; not more than `interval`."),
          Key("fall", .int, in: KeyRange.healthCount, default: "2", "Failures in a row that take the container out."),
          Key("rise", .int, in: KeyRange.healthCount, default: "1", "Successes in a row that take it in again."),
        ]), "How `cnictl service check`, or haproxy, finds out whether this container takes connections."),
      Key(
        "engine", .word(["nftables", "haproxy"]), default: "`nftables`", "What leads connections to the containers."),
      Key(
        "haproxy",
        .members([
          Key("mode", .word(["tcp", "http"]), default: "`tcp`", "`http` adds the header `X-Forwarded-For`."),
          Key(
            "certificate", .string, default: "no TLS",
            "The path of a PEM file with certificate and key, with which haproxy ends TLS."),
        ]), "How haproxy passes connections on; only with that `engine`."),
      Key("delegate", .object, "For runtimes without chains: the plugin to run first."),
    ])

  private static let unlessLabelled = "required, or none with `vipRange`"

  private static func transport(default fallback: String) -> Key {
    Key("protocol", .word(["tcp", "udp", "sctp"]), default: fallback, "The protocol.")
  }
}
