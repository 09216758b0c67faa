#if canImport(CNI)
  import CNI
#endif

/// libFuzzer calls this for each input; each target defines its own `fuzz`.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  fuzz(Array(UnsafeBufferPointer(start: start, count: count)))
  return 0
}

/// Ends the fuzzer if a condition is false that must be true for every input.
func require(_ condition: Bool, _ message: @autoclosure () -> String) {
  guard condition else { fatalError(message()) }
}

#if canImport(CNI)
  /// Runs `body`, which may refuse its input with one of these codes and a message.
  func attempt(
    _ expected: [CNIError.Code] = [.decodingFailure, .invalidNetworkConfig, .unsupportedField],
    _ body: () throws(CNIError) -> Void
  ) {
    do throws(CNIError) {
      try body()
    } catch {
      require(expected.contains(error.code), "\(error)")
      require(!error.message.isEmpty, "the error has no message")
    }
  }
#endif
