import CNI
import CNIRuntime
import NetTypes
import Testing

struct HostRouteTests {
  @Test func `IPv4 routes are read from the kernel's table`() throws {
    let table = """
      Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
      eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
      eth0\t0000010A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
      *\t0000020A\t00000000\t0200\t0\t0\t0\t0000FFFF\t0\t0\t0
      broken line
      """
    #expect(HostRoute.parseIPv4(table) == [HostRoute(destination: try valid("10.1.0.0/16"), interface: "eth0")])
  }

  @Test func `IPv6 routes are read from the kernel's table`() throws {
    let zero = String(repeating: "0", count: 32)
    let rows: [(String, String, String, String)] = [
      ("fd000000000000010000000000000000", "40", "00000001", "eth0"),
      ("fe800000000000000000000000000000", "40", "00000001", "eth0"),
      ("ff000000000000000000000000000000", "08", "00000001", "eth0"),
      (zero, "00", "00000003", "eth0"),
      ("fd000000000000010000000000000002", "80", "80200001", "eth0"),
      ("fd000000000000020000000000000000", "40", "00200200", "lo"),
    ]
    let table = rows.map { "\($0.0) \($0.1) \(zero) 00 \(zero) 00000100 00000001 00000000 \($0.2)     \($0.3)" }
    let routes = HostRoute.parseIPv6(table.joined(separator: "\n"))
    #expect(routes == [HostRoute(destination: try valid("fd00:0:0:1::/64"), interface: "eth0")])
  }
}
