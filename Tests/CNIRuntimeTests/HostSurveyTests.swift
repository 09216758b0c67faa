import CNI
import CNIRuntime
import NetTypes
import Testing

typealias Presence = ContainerNamespace.Presence

private func survey(_ change: (inout HostSurvey) throws -> Void) throws -> HostSurvey {
  var survey = HostSurvey(try valid("blue"))
  try change(&survey)
  return survey
}

@Suite struct HostSurveyTests {
  @Test(
    arguments: [
      (Presence.live, nil, Presence.live), (.gone, nil, .gone), (.unknown, nil, .unknown),
      (.gone, .live, .live), (.unknown, .live, .live), (.unknown, .gone, .unknown), (.gone, .gone, .gone),
    ] as [(Presence, Presence?, Presence)])
  func `an attachment is live if its cached result or its link is live, and gone only if neither is unknown`(
    cached: Presence, peer: Presence?, expected: Presence
  ) throws {
    let owner = try owner()
    let attachments = try survey { survey in
      survey.cached = [HostSurvey.Cached(owner, cached)]
      if let peer { survey.links = [HostSurvey.Link(owner.hostInterface, alias: owner.tag, peer: peer)] }
    }.attachments()
    #expect(attachments.map(\.presence) == [expected])
    #expect(attachments.first?.isCached == true)
  }

  @Test func `a link that the reference plugin named is found by the cached result`() throws {
    let attachments = try survey { survey in
      survey.cached = [HostSurvey.Cached(try owner(), .gone, hostLinks: ["veth1234"])]
      survey.links = [HostSurvey.Link(try valid("veth1234"), peer: .live)]
    }.attachments()
    #expect(attachments.map(\.presence) == [.live])
  }

  @Test func `a lease counts as live only if its address is on the interface that it names`() throws {
    let address: IPAddress = try valid("10.7.0.9")
    for (interface, expected) in [("eth0", Presence.live), ("eth1", .gone)] {
      let attachments = try survey { survey in
        survey.leases = [HostSurvey.Lease(address, container: "c1", interface: "eth0")]
        survey.namespaceInterfaces = [HostSurvey.NamespaceInterface(interface, addresses: [address])]
      }.attachments()
      #expect(attachments.map(\.presence) == [expected])
      #expect(attachments.first?.sentence == "c1 blue eth0: stale: address 10.7.0.9")
    }
  }

  @Test func `rules without addresses have an unknown state until their container is gone`() throws {
    let ruleSet = HostSurvey.RuleSet(try owner(), role: "network", addresses: [])
    #expect(try survey { $0.ruleSets = [ruleSet] }.attachments().map(\.presence) == [.unknown])
    let attachments = try survey { survey in
      survey.ruleSets = [ruleSet]
      survey.cached = [HostSurvey.Cached(ruleSet.owner, .gone)]
    }.attachments()
    #expect(attachments.map(\.presence) == [.gone])
    #expect(attachments.first?.traces == ["cached result", "rules of network"])
  }

  @Test func `links of other networks and other programs are ignored`() throws {
    let found = try survey { survey in
      survey.links = [
        HostSurvey.Link(try valid("veth1"), alias: "cni:red/c1/eth0", peer: .gone),
        HostSurvey.Link(try valid("br0"), alias: "cni:blue/"), HostSurvey.Link(try valid("eth0"), alias: "uplink"),
      ]
    }
    #expect(found.attachments().isEmpty)
    #expect(found.leftovers().isEmpty)
  }

  @Test func `a host interface without alias is found by its name unless a lease names its attachment`() throws {
    let owner = try owner()
    let link = HostSurvey.Link(owner.hostInterface, peer: .gone)
    #expect(try survey { $0.links = [link] }.leftovers() == ["link \(owner.hostInterface)"])
    let surveyWithLease = try survey { survey in
      survey.links = [link]
      survey.leases = [HostSurvey.Lease(try valid("10.7.0.9"), container: "c1", interface: "eth0")]
    }
    #expect(surveyWithLease.leftovers().isEmpty)
  }
}
