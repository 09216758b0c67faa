import Foundation
import Linux
import Testing

/// Shell scripts in a new network and mount namespace, with the built `cnictl` and plugins.
///
/// `/run` and `/var/lib` are empty there; networks are in `/run/net.d`. The plugin `fake` makes nothing and answers
/// with 172.17.0.3/16; it refuses what `/run/refuse` names and writes its calls to `/run/calls`.
enum Sandbox {
  struct Answer {
    var status: Int32
    var output: String
    var errors: String
  }

  static let products = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().path

  private static let prologue = #"""
    mount -t tmpfs t-run /run; mount -t tmpfs t-lib /var/lib
    ip link set lo up
    mkdir /run/net.d /run/plugins
    cat > /run/plugins/fake <<'END'
    #!/bin/sh
    echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $CNI_ARGS" >> /run/calls
    if [ "$CNI_COMMAND" = "$(cat /run/refuse 2> /dev/null)" ]; then
      echo '{"code":11,"msg":"not now","details":"ask again"}'; exit 1
    fi
    case $CNI_COMMAND in
    VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}';;
    ADD) echo '{"cniVersion":"1.1.0","interfaces":[{"name":"'$CNI_IFNAME'","mac":"02:42:ac:11:00:03","sandbox":"'$CNI_NETNS'"}],
      "ips":[{"address":"172.17.0.3/16","interface":0}]}';;
    esac
    END
    chmod +x /run/plugins/fake
    ln -s "${PATH%%:*}/portmap" /run/plugins/mesos-cni-port-mapper
    network() {
      local name=$1 type=$2
      shift 2
      echo '{"cniVersion":"1.1.0","name":"'$name'","plugins":[{"type":"'$type'"'"$*"'}]}' > /run/net.d/$name.conflist
    }

    """#

  /// Runs `script` with bash, which stops at the first command that fails.
  static func run(_ script: String) throws -> Answer {
    let answer = try ChildProcess.run(
      "/usr/bin/unshare", ["--net", "--mount", "--", "/bin/bash", "-euc", prologue + script],
      environment: [
        "PATH=\(products):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
        "NETCONFPATH=/run/net.d", "CNI_PATH=/run/plugins:\(products)",
      ], input: [], seconds: 100)
    return Answer(
      status: answer.status, output: String(decoding: answer.output, as: UTF8.self),
      errors: String(decoding: answer.errors, as: UTF8.self))
  }

  /// The output of a script, which must succeed and print nothing on standard error.
  static func output(_ script: String) throws -> String {
    let answer = try run(script)
    #expect(answer.status == 0 && answer.errors.isEmpty, "\(answer.errors)\(answer.output)")
    return answer.output
  }

  /// The standard error of a script, which must end with status 1.
  static func refusal(_ script: String) throws -> String {
    let answer = try run(script)
    #expect(answer.status == 1, "\(answer.output)\(answer.errors)")
    return answer.errors
  }
}
