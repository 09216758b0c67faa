import CNI
import Kernel
import Linux

/// What `CNI_NETNS` turned out to be.
enum NamespaceState: Equatable {
  /// A namespace that is not the plugin's own, or that may be.
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

  /// - Throws: code 4 where there is no namespace, code 8 where it is the plugin's own.
  func checkNamespace() throws(CNIError) {
    switch namespaceState() {
    case .other: return
    case .own: throw sameNamespace
    case .unusable(let error):
      throw CNIError(.invalidEnvironment, "CNI_NETNS: \(error)", details: "errno \(error.errno)")
    }
  }

  var sameNamespace: CNIError {
    CNIError(
      .invalidNamespace, "plugin's netns and netns from CNI_NETNS should not be the same",
      details: "CNI_NETNS \(invocation.namespacePath); CNI_NETNS_OVERRIDE=1 allows it")
  }
}
