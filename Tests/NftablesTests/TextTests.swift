import CNI
import NetTypes
import PacketFilter
import Testing
@testable import Nftables

@Suite struct TextTests {
  @Test(arguments: [
    ("Error: Could not process rule: File exists\ncreate element x\n   ^^^\n", Errno.EEXIST),
    ("Error: No such file or directory; did you mean chain ‘x’ in table inet ‘t’?\nadd rule\n", Errno.ENOENT),
    ("Error: Could not process rule: Device or resource busy\n", Errno.EBUSY),
    ("Error: syntax error, unexpected newline\nadd rule\n", Errno.EINVAL),
    ("Error: Could not process rule: Operation not permitted\n", Errno.EPERM),
  ])
  func `the errno is parsed from nft's error text`(text: String, errno: Errno) {
    #expect(NftErrorText.errno(text) { texts[$0] ?? "?" } == errno)
  }
}

private let texts: [Errno: String] = [
  .EPERM: "Operation not permitted", .ENOENT: "No such file or directory", .EBUSY: "Device or resource busy",
  .EEXIST: "File exists",
]
