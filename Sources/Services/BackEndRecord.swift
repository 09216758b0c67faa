public import CNI
public import EtcdRecords
public import NetTypes
public import PacketFilter

/// The back-ends of one attachment, as the hosts of its network share them through etcd.
public struct BackEndRecord: SharedRecord, Equatable {
  public var owner: AttachmentID
  public var node: HostName
  public var backEnds: [BackEnd]

  public init(owner: AttachmentID, node: HostName, backEnds: [BackEnd]) {
    self.owner = owner
    self.node = node
    self.backEnds = backEnds
  }

  public init(of owner: AttachmentID, _ json: JSONReader) throws(CNIError) {
    self.init(
      owner: owner, node: try json.required("node").parsed(), backEnds: try json.objects("backEnds") ?? [])
  }

  public var json: JSONValue {
    .record(["node": .text(node), "backEnds": .array(backEnds.map { $0.json })])
  }
}

extension BackEndRecord {
  /// The recorded back-ends of a rule set of this host; `nil` for those of other hosts and for other rules.
  init?(_ ruleSet: RuleSet, node: HostName) {
    let owner = ruleSet.owner
    guard ruleSet.role == .services, owner != .farBackEnds(of: owner.network) else { return nil }
    self.init(
      owner: owner, node: node,
      backEnds: ruleSet.backEnds.map { backEnd in
        var shared = backEnd
        shared.device = nil  // a link of this host
        return shared
      })
  }
}

extension AttachmentID {
  /// The owner of the rules for a network's back-ends on other hosts: as for its tunnel, no container.
  public static func farBackEnds(of network: NetworkName) -> AttachmentID { .tunnel(of: network) }
}
