import CNI
import CNIRuntime
import Testing

private func made(_ change: (inout NetworkRequest) throws -> Void) throws -> JSONValue {
  var request = NetworkRequest(name: try valid("blue"))
  try change(&request)
  return try request.list(id: "0123456789abcdef")
}

@Suite struct NetworkDriverTests {
  @Test(arguments: [NetworkRequest.Driver.none, .host])
  func `a network of driver none or host has only its type`(driver: NetworkRequest.Driver) throws {
    let network = try made { $0.driver = driver }
    #expect(network["plugins"] == .array([.object(["type": .string(driver.rawValue)])]))
    let errorText = try refusal {
      _ = try made {
        $0.driver = driver; $0.mtu = 1500
      }
    }
    #expect(errorText.contains("has no MTU of its own"))
    let ipv6ErrorText = try refusal {
      _ = try made {
        $0.driver = driver; $0.ipv6 = true
      }
    }
    #expect(ipv6ErrorText.contains("has no addresses of its own"))
  }

  @Test(
    arguments: [
      (
        .macvlan, ["parent": "eth0", "macvlan_mode": "private"],
        #"""
        {"type":"macvlan","master":"eth0","mode":"private","capabilities":{"ips":true,"mac":true},
         "ipam":{"type":"ipam-host-local","ranges":[[{"subnet":"10.1.0.0/16"}]],"routes":[{"dst":"0.0.0.0/0"}]}}
        """#
      ),
      (
        .ipvlan, ["master": "eth0", "ipvlan_mode": "l3", "ipvlan_flag": "vepa"],
        #"""
        {"type":"ipvlan","master":"eth0","mode":"l3","flag":"vepa","capabilities":{"ips":true},
         "ipam":{"type":"ipam-host-local","ranges":[[{"subnet":"10.1.0.0/16"}]],"routes":[{"dst":"0.0.0.0/0"}]}}
        """#
      ),
      (
        .vlan, ["parent": "eth0", "vlanId": .integer(7)],
        #"""
        {"type":"vlan","master":"eth0","vlanId":7,"capabilities":{"ips":true,"mac":true},
         "ipam":{"type":"ipam-host-local","ranges":[[{"subnet":"10.1.0.0/16"}]],"routes":[{"dst":"0.0.0.0/0"}]}}
        """#
      ),
      (
        .dummy, [:],
        #"""
        {"type":"dummy","capabilities":{"ips":true,"mac":true},
         "ipam":{"type":"ipam-host-local","ranges":[[{"subnet":"10.1.0.0/16"}]]}}
        """#
      ),
      (
        .ptp, ["peer": "db"],
        #"""
        {"type":"ptp","peer":"db","capabilities":{"ips":true,"mac":true},
         "ipam":{"type":"ipam-host-local","ranges":[[{"subnet":"10.1.0.0/16"}]]}}
        """#
      ),
    ] as [(NetworkRequest.Driver, [String: JSONValue], String)])
  func `options of a network without a bridge become keys of its plugin`(
    driver: NetworkRequest.Driver, options: [String: JSONValue], plugin: String
  ) throws {
    let network = try made {
      $0.driver = driver
      $0.subnets = [try valid("10.1.0.0/16")]
      $0.options = options
    }
    #expect(network["plugins"] == .array([try json(plugin)]))
  }

  @Test func `a ptp network has ipMasq, portmap and firewall`() throws {
    let plugins = try made { $0.driver = .ptp }["plugins"]?.array ?? []
    #expect(plugins.map { $0["type"]?.string } == ["ptp", "portmap", "firewall"])
    #expect(plugins.first?["ipMasq"] == .bool(true))
  }

  @Test(arguments: [NetworkRequest.Driver.macvlan, .ipvlan])
  func `an internal network on a parent has no default route`(driver: NetworkRequest.Driver) throws {
    let network = try made {
      $0.driver = driver; $0.isInternal = true
    }
    let plugin = try #require(network["plugins"]?.array?.first)
    #expect(plugin["ipam"] == (try json(#"{"type":"ipam-host-local","ranges":[[{"subnet":"auto"}]]}"#)))
  }

  @Test(
    arguments: [
      (.bridge, ["parent": "eth0"], #"option parent: unknown key "parent""#),
      (
        .macvlan, ["parent": "eth0", "master": "eth1"],
        "option parent: sets key master, as another option does: want only one of them"
      ),
      (.ipvlan, ["ipvlan_mode": "l4"], #"option ipvlan_mode: key "mode": "l4": want one of l2, l3, l3s"#),
      (.ipvlan, ["mac": "02:00:00:00:00:01"], #"option mac: unknown key "mac""#),
      (.vlan, ["vlanId": .integer(7)], "option parent is missing: want the link that carries the VLAN"),
    ] as [(NetworkRequest.Driver, [String: JSONValue], String)])
  func `an unknown driver option is refused`(
    driver: NetworkRequest.Driver, options: [String: JSONValue], complaint: String
  ) throws {
    let errorText = try refusal {
      _ = try made {
        $0.driver = driver; $0.options = options
      }
    }
    #expect(errorText.contains(complaint), "\(errorText)")
  }

  @Test func `a setting that the driver does not support is refused`() throws {
    let mtuErrorText = try refusal {
      _ = try made {
        $0.driver = .dummy; $0.mtu = 1400
      }
    }
    #expect(mtuErrorText.contains("a network of driver dummy has no MTU of its own"))
    let internalErrorText = try refusal {
      _ = try made {
        $0.driver = .ptp; $0.isInternal = true
      }
    }
    #expect(internalErrorText.contains("go through the host: want driver bridge"))
  }
}
