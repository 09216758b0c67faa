import CNI
import Kernel

extension MainPlugin where Host: ~Copyable {
  /// ADD for an IPAM plugin that needs the link (DHCP): creates the link without addresses, then adds them.
  ///
  /// Both plans are computed from the same facts, so that the second one only adds the addresses to the first.
  func addLinkFirst(
    _ call: Call<Config>, _ settings: Driver.Settings, after previous: AddResult?,
    in transaction: inout Transaction<TracingKernel<Host>>, commit: Commit
  ) throws(CNIError) {
    do throws(CNIError) {
      let bare = try attach(call, settings, AddResult(), in: &transaction)
      // Other attachments must not wait for a DHCP server that does not answer.
      transaction.kernel.unlockHost()
      let addresses = try call.delegates.requestAddresses()
      do throws(CNIError) {
        let whole = try attach(call, settings, addresses, after: bare, in: &transaction)
        try commit(try result(of: whole, after: previous, in: &transaction))
      } catch {
        // As for DEL, the lease is released while the link still exists.
        call.delegates.takeBackAddresses()
        throw error
      }
    } catch {
      transaction.takeBack()
      throw error
    }
  }
}
