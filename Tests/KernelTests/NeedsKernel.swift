import Glibc
import Testing

extension Trait where Self == ConditionTrait {
  /// Skips the tests without root, unless `CNI_KERNEL_TESTS` is set.
  ///
  /// `make check` sets it, so that the tests fail without root instead of being skipped.
  static var needsKernel: Self {
    .enabled("needs root: make check") {
      unsafe getenv("CNI_KERNEL_TESTS") != nil || geteuid() == 0
    }
  }
}
