import Foundation
import LabSupport

extension World {
  /// Creates every legacy table: the kernel creates a table when a program first reads it.
  func useTables() throws {
    try shell(
      """
      for t in filter nat mangle raw; do
        iptables-legacy -w -t $t -S > /dev/null; ip6tables-legacy -w -t $t -S > /dev/null
      done
      """)
  }

  /// Loads the rules of other programs for both families; the flavour is `legacy` or `nft`.
  func load(_ rules: HostRules, _ flavour: String) throws {
    try shell("for v in iptables ip6tables; do $v-\(flavour)-restore <<'END'\n\(rules.text)\nEND\ndone")
  }

  /// Removes all rules, as a careless administrator may do.
  func flush() throws {
    try shell(
      """
      nft flush ruleset
      for v in iptables ip6tables; do
        for t in filter nat mangle raw; do $v-legacy -w -t $t -F; $v-legacy -w -t $t -X; done
      done
      """)
  }

  /// All rules of nftables and of the legacy tables, with their counters or without.
  ///
  /// Never with the counters of built-in chains, which count all packets of the host.
  func ruleset(counters: Bool = false) throws -> [String] {
    let text = try shell(
      """
      nft \(counters ? "" : "-s") list ruleset
      for v in iptables ip6tables; do $v-legacy-save \(counters ? "-c" : "") | sed 's/^\\(:.*\\) \\[.*/\\1/'; done
      """)
    return text.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") }
  }

  /// Adds rules of the administrator to every table, with counters that no packet changes.
  func addForeignRules() throws {
    try useTables()
    let legacy = """
      *filter
      :THEIRS - [0:0]
      [7:700] -A FORWARD -s SOURCE -m comment --comment \"theirs; 'first'\" -j THEIRS
      [5:500] -A THEIRS -p tcp -m tcp --dport 8080 -j DROP
      COMMIT
      *nat
      :THEIRS - [0:0]
      [3:300] -A PREROUTING -s SOURCE -j THEIRS
      [4:400] -A POSTROUTING -s SOURCE -j MASQUERADE
      COMMIT
      """
    try shell(
      """
      iptables-legacy-restore -w --counters <<'END'
      \(legacy.replacingOccurrences(of: "SOURCE", with: "203.0.113.9/32"))
      END
      ip6tables-legacy-restore -w --counters <<'END'
      \(legacy.replacingOccurrences(of: "SOURCE", with: "2001:db8:9::9/128"))
      END
      nft -f - <<'END'
      table inet theirs {
        counter hits { packets 11 bytes 1100 }
        set friends { type ipv4_addr; flags timeout; elements = { 203.0.113.7 } }
        chain forward {
          type filter hook forward priority filter; policy accept;
          ip saddr 203.0.113.9 counter packets 9 bytes 900 drop comment "theirs"
        }
      }
      table ip nat {
        chain postrouting {
          type nat hook postrouting priority srcnat; policy accept;
          ip saddr 203.0.113.9 counter packets 2 bytes 200 masquerade
        }
      }
      END
      """)
  }
}
