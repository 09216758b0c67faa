import Glibc
public import Testing

extension Trait where Self == ConditionTrait {
  /// Skips the tests without root, unless `CNI_KERNEL_TESTS` is set.
  ///
  /// `make check` sets it, so there the tests run, and fail rather than hide.
  public static var needsKernel: Self {
    .enabled("needs root: make check") {
      unsafe getenv("CNI_KERNEL_TESTS") != nil || geteuid() == 0
    }
  }
}
