import ArgumentParser
import NetTypes

/// The operator's tool for networks of this host and the containers on them.
struct Cnictl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cnictl",
    abstract: "Manage CNI networks and attach network namespaces to them.",
    discussion: """
      Networks are the files in /etc/cni/net.d (NETCONFPATH, --conf-dir), plugins are in /opt/cni/bin (CNI_PATH, \
      --plugin-dir), and attachments are recorded in \(StatePaths.resultCache)/results (--cache-dir), where runtimes built on \
      libcni record them too.

      Exit status: 0, 1 if a plugin or the system refused, 64 for a wrong command line.
      """,
    subcommands: [
      NetworkCommand.self, Connect.self, Plan.self, Disconnect.self, Check.self, CollectGarbage.self, Status.self,
      Repair.self, PolicyCommand.self, ServiceCommand.self, FloatingCommand.self, SyncCommand.self, OverlayCommand.self,
      Validate.self,
      Schema.self,
      NetnsCommand.self,
    ])
}
