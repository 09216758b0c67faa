import CNI
import Kernel
import NetTypes
import PacketFilter

extension MainPlugin where Host: ~Copyable {
  /// For policies of other networks that name this one; after the links are made, so that those that look for them find
  /// them, or this call finds that they have looked.
  func noteLinks(
    _ call: Call<Config>, _ settings: Driver.Settings, on kernel: inout Host
  ) throws(CNIError) {
    if let far = driver.farNetwork(settings, of: call.owner.network) {
      try convertingErrors { () throws(KernelError) in try kernel.filter.note(far, of: call.owner.network) }
    }
    let links = driver.networkLinks(settings, of: call.owner.network)
    guard !links.isEmpty else { return }
    try convertingErrors { () throws(KernelError) in try kernel.filter.note(links, of: call.owner.network) }
  }
}
