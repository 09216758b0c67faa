import CNI
import Kernel

extension MainPlugin where Host: ~Copyable {
  /// ADD where IPAM asks through the link: that is made without addresses, and then given them.
  ///
  /// Both times is planned from one look, so that the second plan is the first and what addresses add to it.
  func addLinkFirst(
    _ call: Call<Config>, _ settings: Driver.Settings, after previous: AddResult?,
    in transaction: inout Transaction<TracingKernel<Host>>, commit: Commit
  ) throws(CNIError) {
    do throws(CNIError) {
      let bare = try attach(call, settings, AddResult(), in: &transaction)
      // A server that is silent must not keep other attachments waiting.
      transaction.kernel.unlockHost()
      let addresses = try call.delegates.requestAddresses()
      do throws(CNIError) {
        let whole = try attach(call, settings, addresses, after: bare, in: &transaction)
        try commit(try result(of: whole, after: previous, in: &transaction))
      } catch {
        // As on DEL: as long as there is a link to say so.
        call.delegates.takeBackAddresses()
        throw error
      }
    } catch {
      transaction.takeBack()
      throw error
    }
  }
}
