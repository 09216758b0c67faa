import CNetlink
import Glibc
import Kernel
import NetTypes

extension Request {
  /// `IFLA_INFO_KIND` and `IFLA_INFO_DATA` of a link with a parent.
  func put(_ childLink: ChildLink) {
    put(IFLA_INFO_KIND, childLink.kind)
    nest(IFLA_INFO_DATA) {
      switch childLink {
      case .macvlan(let macvlan): put(macvlan)
      case .ipvlan(let ipvlan):
        put(IFLA_IPVLAN_MODE, ipvlan.mode.number)
        put(IFLA_IPVLAN_FLAGS, ipvlan.flag.bits)
      case .vlan(let id): put(IFLA_VLAN_ID, UInt16(clamping: id))
      }
    }
  }

  private func put(_ macvlan: Macvlan) {
    put(IFLA_MACVLAN_MODE, macvlan.mode.number)
    if let length = macvlan.broadcastQueue { put(IFLA_MACVLAN_BC_QUEUE_LEN, UInt32(clamping: length)) }
    guard case .source(let allowed) = macvlan.mode, !allowed.isEmpty else { return }
    put(IFLA_MACVLAN_MACADDR_MODE, MACVLAN_MACADDR_SET.rawValue)
    nest(IFLA_MACVLAN_MACADDR_DATA) {
      for address in allowed { put(IFLA_MACVLAN_MACADDR, bytes: address.bytes) }
    }
  }
}

extension ChildLink {
  /// `nil` if links of that kind have no parent, or if this program does not support the kind.
  init?(kind: String, _ data: Attributes) {
    switch kind {
    case "macvlan":
      guard let mode = Macvlan.Mode(data) else { return nil }
      self = .macvlan(
        Macvlan(mode, broadcastQueue: data.integer(IFLA_MACVLAN_BC_QUEUE_LEN, as: UInt32.self).map(Int.init)))
    case "ipvlan":
      let mode = data.integer(IFLA_IPVLAN_MODE, as: UInt16.self)
      let flags = data.integer(IFLA_IPVLAN_FLAGS, as: UInt16.self) ?? 0
      guard let mode = IPVLAN.Mode.allCases.first(where: { $0.number == mode }),
        let flag = IPVLAN.Flag.allCases.first(where: { $0.bits == flags })
      else { return nil }
      self = .ipvlan(IPVLAN(mode, flag))
    case "vlan":
      guard let id = data.integer(IFLA_VLAN_ID, as: UInt16.self) else { return nil }
      self = .vlan(Int(id))
    default: return nil
    }
  }
}

extension Macvlan.Mode {
  fileprivate var number: UInt32 {
    switch self {
    case .private: MACVLAN_MODE_PRIVATE.rawValue
    case .vepa: MACVLAN_MODE_VEPA.rawValue
    case .bridge: MACVLAN_MODE_BRIDGE.rawValue
    case .passthru: MACVLAN_MODE_PASSTHRU.rawValue
    case .source: MACVLAN_MODE_SOURCE.rawValue
    }
  }

  fileprivate init?(_ data: Attributes) {
    let allowed = data.all(IFLA_MACVLAN_MACADDR_DATA, IFLA_MACVLAN_MACADDR).compactMap(MACAddress.init(bytes:))
    let modes: [Self] = [.private, .vepa, .bridge, .passthru, .source(allowed)]
    guard let mode = modes.first(where: { $0.number == data.integer(IFLA_MACVLAN_MODE) }) else { return nil }
    self = mode
  }
}

extension IPVLAN.Mode {
  fileprivate var number: UInt16 {
    switch self {
    case .l2: UInt16(IPVLAN_MODE_L2.rawValue)
    case .l3: UInt16(IPVLAN_MODE_L3.rawValue)
    case .l3s: UInt16(IPVLAN_MODE_L3S.rawValue)
    }
  }
}

extension IPVLAN.Flag {
  fileprivate var bits: UInt16 {
    switch self {
    case .bridge: 0
    case .private: UInt16(IPVLAN_F_PRIVATE)
    case .vepa: UInt16(IPVLAN_F_VEPA)
    }
  }
}

/// Adds an explanation of the errno to the kernel's error for a link.
func explainingErrors(_ spec: LinkSpec, _ create: () throws(KernelError) -> Void) throws(KernelError) {
  do throws(KernelError) { try create() } catch {
    let explanation: String? =
      switch spec.kind {
      case .childLink(let childLink, let parent): childLink.explanation(of: error, parent.name)
      case .vrf where error.errno == .EOPNOTSUPP: "this kernel has no VRFs"
      case .bridge, .veth, .dummy, .vxlan, .vrf: nil
      }
    guard let explanation else { throw error }
    var explained = error
    explained.kernelMessage = explanation
    throw explained
  }
}

extension ChildLink {
  fileprivate func explanation(of error: KernelError, _ parent: InterfaceName) -> String? {
    switch (self, error.errno) {
    // The kernel adds a message if the VLAN exists; for a name that is taken it returns the same errno without a message.
    case (.vlan(let id), .EEXIST) where !error.kernelMessage.isEmpty: "\(parent) has VLAN \(id) already"
    case _ where !error.kernelMessage.isEmpty: nil
    case (.macvlan, .EBUSY): "\(parent) has ipvlan links, or is a port of a bridge or bond"
    case (.ipvlan, .EBUSY): "\(parent) has macvlan links, or is a port of a bridge or bond"
    case (.macvlan(let macvlan), .EINVAL) where macvlan.mode == .passthru:
      "\(parent) has macvlan links already, and passthru allows no other link"
    case (.macvlan, .EINVAL): "\(parent) has a macvlan link in mode passthru, which allows no other link"
    case (_, .EOPNOTSUPP): "this kernel has no \(kind) links"
    default: nil
    }
  }
}
