import TestSupport
@testable import bridge

/// An attachment with addresses of both families.
typealias Fixture = LinkFixture<BridgeDriver>

extension LinkFixture where Driver == BridgeDriver {
  init() { self.init(BridgeDriver(), ipam: FakeDelegate()) }
}
