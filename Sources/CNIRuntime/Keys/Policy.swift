import CNI

extension Key {
  /// What a network's containers may connect to, and what may connect to them.
  static let policy = Key(
    "policy", .members(policyKeys),
    "Which connections through the host containers take and open. Connections inside a network do not pass the host. Needs nftables."
  )

  /// The same key of plugins whose packets do not pass the host.
  static let policyInContainer = policy.with(
    "Which connections the container takes and opens by this interface, inside the network too. Of the peers, `cidr` alone: the rules are in the container's network namespace. Needs nf_tables."
  )

  private static let policyKeys: [Key] = [
    Key(
      "default", .word(["deny", "allow"]), default: "`deny`",
      "What holds for connections that no entry allows; `allow` without entries: the container only has its labels."),
    Key(
      "ingress", .list(.members([peer("from", "Who may connect; everyone without it."), ports])), default: "nothing",
      "Connections that the container takes."),
    Key(
      "egress", .list(.members([peer("to", "Where it may connect to; everywhere without it."), ports])),
      default: "nothing", "Connections that the container opens."),
    Key("log", .bool, default: "false", "Packets that are denied go to an NFLOG group."),
    Key("logGroup", .int, in: KeyRange.logGroup, default: "0", "That group. Only with `log`."),
  ]

  private static let ports = Key(
    "ports", .list(.string), default: "all, and protocols without ports",
    "`\"514/udp\"`, `\"8000-8100/tcp\"`, or `\"514\"` for all protocols with ports.")

  private static func peer(_ name: String, _ meaning: String) -> Key {
    Key(
      name,
      .members([
        Key("network", .string, "Everything on that network's links."),
        Key("label", .string, "Containers with the label `KEY=VALUE`."),
        Key("cidr", .prefix, "Addresses."),
      ]), "\(meaning) One of its keys.")
  }
}
