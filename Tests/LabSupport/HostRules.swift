/// The rules of hosts that drop forwarded packets, in the format of `iptables-restore` and `ip6tables-restore`.
public enum HostRules: String, CaseIterable, Sendable {
  case policy, docker, ufw

  public var text: String {
    switch self {
    case .policy: "*filter\n:FORWARD DROP [0:0]\nCOMMIT"
    case .docker: Self.dockerRules
    case .ufw: Self.ufwRules
    }
  }

  /// The rules that Docker Engine 28 writes for its default bridge.
  private static let dockerRules =
    """
    *filter
    :FORWARD DROP [0:0]
    :DOCKER - [0:0]
    :DOCKER-BRIDGE - [0:0]
    :DOCKER-CT - [0:0]
    :DOCKER-FORWARD - [0:0]
    :DOCKER-ISOLATION-STAGE-1 - [0:0]
    :DOCKER-ISOLATION-STAGE-2 - [0:0]
    :DOCKER-USER - [0:0]
    -A FORWARD -j DOCKER-USER
    -A FORWARD -j DOCKER-FORWARD
    -A DOCKER ! -i docker0 -o docker0 -j DROP
    -A DOCKER-BRIDGE -o docker0 -j DOCKER
    -A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    -A DOCKER-FORWARD -j DOCKER-CT
    -A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
    -A DOCKER-FORWARD -j DOCKER-BRIDGE
    -A DOCKER-FORWARD -i docker0 -j ACCEPT
    -A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
    -A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
    -A DOCKER-USER -j RETURN
    COMMIT
    *nat
    :DOCKER - [0:0]
    -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
    -A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER
    COMMIT
    """

  /// The rules of `ufw enable` for FORWARD.
  private static let ufwRules =
    """
    *filter
    :FORWARD DROP [0:0]
    :ufw-before-logging-forward - [0:0]
    :ufw-before-forward - [0:0]
    :ufw-user-forward - [0:0]
    :ufw-after-forward - [0:0]
    :ufw-after-logging-forward - [0:0]
    :ufw-reject-forward - [0:0]
    :ufw-track-forward - [0:0]
    -A FORWARD -j ufw-before-logging-forward
    -A FORWARD -j ufw-before-forward
    -A FORWARD -j ufw-after-forward
    -A FORWARD -j ufw-after-logging-forward
    -A FORWARD -j ufw-reject-forward
    -A FORWARD -j ufw-track-forward
    -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    -A ufw-before-forward -j ufw-user-forward
    COMMIT
    """
}
