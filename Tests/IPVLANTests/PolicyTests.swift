import CNI
import LabSupport
import Testing

/// The key `policy`: which connections pass on one interface of a container.
@Suite(.needsRoot)
struct PolicyTests {
  @Test func `a policy allows the connections that it lists on its interface, and DEL removes its rules`() throws {
    try Lab.use(containers: 3) { lab in
      let policies = try ContainerPolicies("ipvlan", in: lab)
      let result = try policies.attach()
      try policies.expectLimits()
      try lab.check(policies.limited, result, plugin: "ipvlan").requireSuccess()
      try lab.delete(policies.limited, plugin: "ipvlan").requireSuccess()
      #expect(try policies.rules() == [])
    }
  }
}
