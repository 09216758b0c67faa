/// A hash that is the same in every process: FNV-1a, then mixed so that any of its bits can be used.
func stableHash(_ bytes: some Sequence<UInt8>) -> UInt64 {
  var value: UInt64 = 0xCBF2_9CE4_8422_2325
  for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
  return mixedBits(value)
}

/// The number with its bits mixed, so that any part of them can be used.
func mixedBits(_ number: UInt64) -> UInt64 {
  var value = (number ^ number >> 33) &* 0xFF51_AFD7_ED55_8CCD
  value = (value ^ value >> 33) &* 0xC4CE_B9FE_1A85_EC53
  return value ^ value >> 33
}

/// Sixteen hexadecimal digits.
func hex(_ number: UInt64) -> String {
  let digits = String(number, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
