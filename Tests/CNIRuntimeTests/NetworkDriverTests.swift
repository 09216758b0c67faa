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
  func `a network that makes nothing is its type alone`(driver: NetworkRequest.Driver) throws {
    let network = try made { $0.driver = driver }
    #expect(network["plugins"] == .array([.object(["type": .string(driver.rawValue)])]))
    let told = try refusal {
      _ = try made {
        $0.driver = driver; $0.mtu = 1500
      }
    }
    #expect(told.contains("has no MTU of its own"))
    let toldToo = try refusal {
      _ = try made {
        $0.driver = driver; $0.ipv6 = true
      }
    }
    #expect(toldToo.contains("has no addresses of its own"))
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
  func `a network without a bridge is its plugin with Docker's options under its own keys`(
    driver: NetworkRequest.Driver, options: [String: JSONValue], plugin: String
  ) throws {
    let network = try made {
      $0.driver = driver
      $0.subnets = [try valid("10.1.0.0/16")]
      $0.options = options
    }
    #expect(network["plugins"] == .array([try json(plugin)]))
  }

  @Test func `a ptp network leads by the host, which publishes ports of it`() throws {
    let plugins = try made { $0.driver = .ptp }["plugins"]?.array ?? []
    #expect(plugins.map { $0["type"]?.string } == ["ptp", "portmap", "firewall"])
    #expect(plugins.first?["ipMasq"] == .bool(true))
  }

  @Test(arguments: [NetworkRequest.Driver.macvlan, .ipvlan])
  func `an internal network on a parent's wire has no way beyond it`(driver: NetworkRequest.Driver) throws {
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
        "option parent: is the plugin's master, which is given too: want one"
      ),
      (.ipvlan, ["ipvlan_mode": "l4"], #"option ipvlan_mode: key "mode": "l4": want one of l2, l3, l3s"#),
      (.ipvlan, ["mac": "02:00:00:00:00:01"], #"option mac: unknown key "mac""#),
      (.vlan, ["vlanId": .integer(7)], "option parent is missing: want the link that carries the VLAN"),
    ] as [(NetworkRequest.Driver, [String: JSONValue], String)])
  func `an option that a driver does not know is refused`(
    driver: NetworkRequest.Driver, options: [String: JSONValue], complaint: String
  ) throws {
    let told = try refusal {
      _ = try made {
        $0.driver = driver; $0.options = options
      }
    }
    #expect(told.contains(complaint), "\(told)")
  }

  @Test func `what a driver cannot do is refused`() throws {
    let toldOfSize = try refusal {
      _ = try made {
        $0.driver = .dummy; $0.mtu = 1400
      }
    }
    #expect(toldOfSize.contains("a network of driver dummy has no MTU of its own"))
    let toldOfInside = try refusal {
      _ = try made {
        $0.driver = .ptp; $0.isInternal = true
      }
    }
    #expect(toldOfInside.contains("goes by the host: want driver bridge"))
  }
}
