public import CNI
import NetTypes
public import PacketFilter
public import PluginKit

/// A plugin that makes the container's interface.
public struct LinkFixture<Driver: LinkDriver>: PluginFixture where Driver.Input == Driver.Config {
  public typealias Subject = MainPlugin<Driver, FakeKernel>

  public let kernel = FakeKernel()
  public var owner = AttachmentID.example
  public let ipam: FakeDelegate

  private let makePlugin: (FakeKernel) -> Subject

  /// - Parameters:
  ///   - driver: the driver of the plugin.
  ///   - ipam: its IPAM plugin.
  ///   - peerNamespace: the hook of `MainPlugin`.
  ///   - chainInput: the hook of `MainPlugin`.
  public init(
    _ driver: Driver, ipam: FakeDelegate,
    peerNamespace: @escaping (Driver.Config) -> PeerNamespace? = { _ in nil },
    chainInput: @escaping Subject.ReadChainInput = { (_, _, _) throws(CNIError) in nil }
  ) {
    self.ipam = ipam
    makePlugin = { (kernel) in
      MainPlugin(driver, peerNamespace: peerNamespace, chainInput: chainInput) { _ throws(KernelError) in kernel }
    }
  }

  public var plugin: Subject { makePlugin(kernel) }

  public var delegates: Delegates { ipam.delegates }
}

/// A plugin that runs after the one that made the container's interface.
public struct ChainFixture<Driver: ChainDriver>: PluginFixture {
  public let driver: Driver
  public let kernel: FakeKernel
  public var owner = AttachmentID.example
  /// The result of the plugins before this one, or of the plugin of the key `delegate`.
  public var previous: AddResult { didSet { delegate.answer = previous } }
  /// The plugin of the key `delegate`.
  public let delegate: FakeDelegate

  public init(_ driver: Driver, after previous: AddResult, on kernel: FakeKernel = FakeKernel()) {
    self.driver = driver
    self.previous = previous
    self.kernel = kernel
    delegate = FakeDelegate(previous, type: nil)
  }

  public var plugin: ChainedPlugin<Driver, FakeKernel> {
    ChainedPlugin(driver) { [kernel] () throws(KernelError) in kernel }
  }

  public var delegates: Delegates { delegate.delegates }

  public func defaultPrevious(_ config: Driver.Config) -> AddResult? { config.nestedPlugin == nil ? previous : nil }

  /// All rules on the host.
  public var ruleSets: [RuleSet] { kernel.filter.ruleSets }
}
