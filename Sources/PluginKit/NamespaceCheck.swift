import CNI
import Linux
import NetTypes

/// The state of the namespace in `CNI_NETNS`.
enum NamespaceState: Equatable {
  /// A namespace that is not the plugin's own, or is allowed to be.
  case other
  case own
  case unusable(KernelError)
}

extension Runner where P: ~Copyable {
  func namespaceState() -> NamespaceState {
    do throws(KernelError) {
      let theirs = try Namespace.open(invocation.namespacePath).identity()
      let ours = try Namespace.own().identity()
      return theirs == ours && !invocation.overridesNamespaceCheck ? .own : .other
    } catch {
      return .unusable(error)
    }
  }

  /// Checks `CNI_NETNS` for ADD and CHECK.
  ///
  /// - Throws: code 4 if there is no namespace, code 8 if it is the plugin's own.
  func checkNamespace() throws(CNIError) {
    switch namespaceState() {
    case .other: return
    case .own: throw sameNamespace
    case .unusable(let error):
      throw CNIError(.invalidEnvironment, "CNI_NETNS: \(error)", details: "errno \(error.errno)")
    }
  }

  /// Checks the namespace that is used in place of the host's.
  ///
  /// - Throws: code 7 if there is no namespace, or if it is the plugin's own or that of `CNI_NETNS`.
  func check(_ peer: PeerNamespace) throws(CNIError) {
    let found = try identities(peer)
    if found.isOwn { throw refusal(peer, "it is the plugin's own") }
    if found.isContainers { throw refusal(peer, "it is also the namespace of CNI_NETNS") }
  }

  /// Whether the namespace is the plugin's own, and whether it is the container's.
  private func identities(_ peer: PeerNamespace) throws(CNIError) -> (isOwn: Bool, isContainers: Bool) {
    do throws(KernelError) {
      let theirs = try Namespace.open(peer.path).identity()
      let container = try Namespace.open(invocation.namespacePath).identity()
      return (theirs == (try Namespace.own().identity()), theirs == container)
    } catch { throw refusal(peer, "\(error)") }
  }

  private func refusal(_ peer: PeerNamespace, _ reason: String) -> CNIError {
    CNIError(
      .invalidNetworkConfig, "key \"\(peer.key)\": \(peer.path): \(reason): want another container's namespace")
  }

  var sameNamespace: CNIError {
    CNIError(
      .invalidNamespace, "plugin's netns and netns from CNI_NETNS should not be the same",
      details: "CNI_NETNS \(invocation.namespacePath); CNI_NETNS_OVERRIDE=1 allows it")
  }
}
