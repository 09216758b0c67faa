import CNI
import CNIRuntime
import Glibc
import HostFilter
import IPAM
import Kernel
import NetTypes
import Netlink
import PacketFilter

/// Reads what the host has of networks' attachments; changes nothing.
struct HostSurveyor {
  var cache: ResultCache

  /// Surveys the host for each of these networks.
  ///
  /// - Returns: the survey of each list, in their order.
  /// - Throws: code 100 if a namespace cannot be opened: its contents could be mistaken for garbage.
  func surveys(of lists: [NetworkList]) throws(CNIError) -> [HostSurvey] {
    var entries: [NetworkName: [ResultCache.Entry]] = [:]
    for list in lists { entries[list.name] = try cache.entries(of: list.name) }
    var surveys: [HostSurvey] = []
    do throws(KernelError) {
      let links = try hostLinks()
      for list in lists { surveys.append(try survey(list, entries[list.name] ?? [], links)) }
      // Attachments in progress are read before the namespaces, so that an ADD that ends now is in one of the two.
      let attachmentsInProgress = HostNamespaces.attachmentsInProgress()
      let namespaceInterfaces = try readNamespaceInterfaces()
      for index in surveys.indices {
        surveys[index].attachmentsInProgress = attachmentsInProgress
        surveys[index].namespaceInterfaces = namespaceInterfaces
      }
    } catch { throw CNIError(error) }
    return surveys
  }

  private func survey(
    _ list: NetworkList, _ entries: [ResultCache.Entry], _ links: [HostSurvey.Link]
  ) throws(KernelError) -> HostSurvey {
    var survey = HostSurvey(list.name)
    survey.links = links
    for entry in entries {
      let hostLinks = entry.addResult.interfaces.filter { $0.sandbox?.isEmpty ?? true }.map(\.name)
      survey.cached.append(
        HostSurvey.Cached(
          entry.attachment.owner, ContainerNamespace(of: entry.attachment).presence, hostLinks: hostLinks))
    }
    for directory in list.leaseDirectories { survey.leases += try leases(in: directory, of: list.name) }
    // Rules for a tunnel belong to no container.
    let ruleSets = try HostFilter().ruleSets(of: list.name).filter { $0.owner != .tunnel(of: list.name) }
    survey.ruleSets = ruleSets.map { ruleSet in
      HostSurvey.RuleSet(
        ruleSet.owner, role: ruleSet.role.rawValue, addresses: ruleSet.addresses + ruleSet.rules.flatMap(\.targets))
    }
    return survey
  }

  private func leases(in directory: String, of network: NetworkName) throws(KernelError) -> [HostSurvey.Lease] {
    let report: LeaseReport
    do throws(CNIError) {
      report = try LeaseReport.read(dataDir: directory, network: network)
    } catch { throw KernelError("read the leases in \(directory)/\(network)", errno: .EIO, reason: error.message) }
    let namespaces = LeaseReport.namespaces(
      dataDir: directory, network: network, leasing: report.leases.map(\.address))
    return zip(report.leases, namespaces).map { lease, namespace in
      let presence: ContainerNamespace.Presence =
        switch namespace {
        case .live: .live
        case .gone: .gone
        case .unknown: .unknown
        }
      return HostSurvey.Lease(
        lease.address, container: lease.holder?.container, interface: lease.holder?.interface, presence)
    }
  }

  private func hostLinks() throws(KernelError) -> [HostSurvey.Link] {
    var kernel = try LiveKernel.open(containerNamespace: nil)
    var answers: [Int32: Bool] = [:]
    var links: [HostSurvey.Link] = []
    for link in try kernel.allLinks(on: .host) {
      guard let number = link.linkNetNSID else {
        links.append(HostSurvey.Link(link.name, alias: link.alias))
        continue
      }
      let inUse = if let answer = answers[number] { answer } else { try kernel.isInUse(namespace: number) }
      answers[number] = inUse
      links.append(HostSurvey.Link(link.name, alias: link.alias, peer: inUse ? .live : .gone))
    }
    return links
  }

  private func readNamespaceInterfaces() throws(KernelError) -> [HostSurvey.NamespaceInterface] {
    var namespaceInterfaces: [HostSurvey.NamespaceInterface] = []
    for path in HostNamespaces.paths() {
      do throws(KernelError) {
        namespaceInterfaces += try interfaces(in: path)
      } catch  where error.meansNoNamespace {}  // the namespace has ended meanwhile
    }
    return namespaceInterfaces
  }

  /// The interfaces with a peer on this host, or without a peer in another namespace.
  ///
  /// Others belong to other hosts: this machine may run nodes in containers, which have containers themselves.
  private func interfaces(in path: String) throws(KernelError) -> [HostSurvey.NamespaceInterface] {
    var kernel = try LiveKernel.open(containerNamespace: path)
    let host = try kernel.hostNSIDInContainer()
    var namespaceInterfaces: [HostSurvey.NamespaceInterface] = []
    for link in try kernel.allLinks(on: .container) where !link.isLoopback {
      guard link.linkNetNSID == nil || link.linkNetNSID == host else { continue }
      var addresses: [IPAddress] = []
      do throws(KernelError) {
        addresses = try kernel.addresses(of: link.name, on: .container).map(\.address)
      } catch  where error.errno == .ENODEV {}  // the link was removed meanwhile
      namespaceInterfaces.append(HostSurvey.NamespaceInterface("\(link.name)", alias: link.alias, addresses: addresses))
    }
    return namespaceInterfaces
  }
}

extension HostSurveyor {
  /// The attachments of a namespace's links, from the aliases of the links or of their peers; `nil` if a link has no tag.
  static func owners(in namespace: ContainerNamespace) -> [AttachmentID]? {
    guard var kernel = try? LiveKernel.open(containerNamespace: namespace.path),
      let links = try? kernel.allLinks(on: .container).filter({ !$0.isLoopback })
    else { return nil }
    var owners: [AttachmentID] = []
    for link in links {
      let hostEnd = link.alias == nil ? link.peerIndex.flatMap { try? kernel.link(index: $0, on: .host) } : nil
      guard let owner = (link.alias ?? hostEnd?.alias).flatMap(AttachmentID.init(tag:)) else { return nil }
      owners.append(owner)
    }
    return owners
  }
}

extension Rule {
  /// The container's addresses in the rule.
  fileprivate var targets: [IPAddress] {
    switch self {
    case .masquerade(let rule): [rule.address]
    case .publish(let port): [port.target]
    case .float(let floating): [floating.target]
    case .admit(let admission): [admission.address]
    case .trust(let source): [source.address]
    case .isolate, .link, .guardSource, .guardAddresses, .guardTunnel, .serve, .pass, .limit, .join, .balance: []
    }
  }
}
