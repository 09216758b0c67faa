import CNI
import NetTypes
import PacketFilter
import Testing
@testable import Nftables

@Suite struct TextTests {
  @Test(arguments: [
    ("Error: Could not process rule: File exists\ncreate element x\n   ^^^\n", Complaint.exists),
    ("Error: No such file or directory; did you mean chain ‘x’ in table inet ‘t’?\nadd rule\n", Complaint.absent),
    ("Error: Could not process rule: Device or resource busy\n", Complaint.busy),
    ("Error: syntax error, unexpected newline\nadd rule\n", Complaint.invalid),
    ("Error: Could not process rule: Operation not permitted\n", 1),
  ])
  func `an errno is known by its text`(words: String, errno: Int32) {
    #expect(Complaint.errno(words) { texts[$0] ?? "?" } == errno)
  }
}

private let texts: [Int32: String] = [
  1: "Operation not permitted", 2: "No such file or directory", 16: "Device or resource busy", 17: "File exists",
]
