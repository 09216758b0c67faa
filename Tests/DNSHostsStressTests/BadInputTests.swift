import CNI
import Foundation
import LabSupport
import Testing

// Group: end-to-end

/// Invalid input is refused at once with an error code, and leaves nothing.
@Suite(.needsRoot)
struct BadInputTests {
  @Test(arguments: [
    (#"{"args": {"cni": {"name": "web\n10.0.0.1 bank"}}}"#, 7, "container name"),
    (#"{"args": {"cni": {"name": "web #"}}}"#, 7, "container name"),
    (#"{"args": {"cni": {"name": "10.0.0.1"}}}"#, 7, "container name"),
    (#"{"runtimeConfig": {"aliases": ["a\tb"]}}"#, 7, "runtimeConfig.aliases[0]"),
    (#"{"extraHosts": ["db:10.0.0.1\n10.0.0.2 bank"]}"#, 7, "extraHosts[0]"),
    (#"{"dns": {"search": ["a\nnameserver 192.0.2.66"]}}"#, 7, "dns.search"),
    (#"{"dns": {"options": ["a\nb"]}}"#, 7, "dns.options"),
    (#"{"args": {"cni": {"hostname": "a/b"}}}"#, 7, "args.cni.hostname"),
    (#"{"dir": "files"}"#, 7, "dir"), (#"{"dir": "/run/../etc"}"#, 7, "dir"),
    (#"{"hostsFile": "/tmp/{containerID}/../hosts"}"#, 7, "hostsFile"),
    (#"{"hostsFile": "/tmp/hosts"}"#, 7, "hostsFile"),
    (#"{"files": "netns", "dir": null, "name": ".."}"#, 7, "name"), (#"{"name": "a/b"}"#, 7, "name"),
    (#"{"prevResult": null}"#, 7, "prevResult"), (#"{"stateDir": "run"}"#, 7, "stateDir"),
  ])
  func `an invalid configuration is refused`(keys: String, code: Int, fragment: String) throws {
    try refuses(keys, code: code, fragment: fragment)
  }

  @Test(arguments: [
    #""aliases": [LIST]"#, #""aliases": {"net": [LIST]}"#,
  ])
  func `ten thousand aliases are refused`(member: String) throws {
    let list = (0..<10_000).map { #""a\#($0)""# }.joined(separator: ",")
    let keys = #"{"runtimeConfig": {\#(member.replacing("LIST", with: list))}}"#
    try refuses(keys, code: 7, fragment: "10000 aliases: want at most 100")
  }

  private func refuses(_ keys: String, code: Int, fragment: String) throws {
    try StressLab.use { stress in
      try stress.warmUp()
      try stress.run("ADD", 1).requireSuccess()
      let before = stress.snapshot()
      let outcome = try stress.run("ADD", 2, keys)
      #expect(outcome.code == code, "\(outcome)")
      #expect(outcome.complaint.contains(fragment), "\(outcome)")
      #expect(stress.changes(since: before) == [])
    }
  }

  @Test(arguments: [
    ("CNI_CONTAINERID", ".."), ("CNI_CONTAINERID", "a/b"), ("CNI_CONTAINERID", "a:b"), ("CNI_IFNAME", ".."),
    ("CNI_IFNAME", "a/b"), ("CNI_IFNAME", "a:b"),
  ])
  func `a name with a path is refused`(variable: String, value: String) throws {
    try StressLab.use { stress in
      for command in ["ADD", "DEL"] {
        var call = try stress.call(command, 1)
        call.variables[variable] = value
        #expect(try stress.lab.run(call).code == 4)
      }
      #expect(stress.snapshot() == [:])
    }
  }

  /// Commands, run in `files`, that put something else in place of container 2's directory or file.
  @Test(arguments: [
    "ln -s / c2", "ln -s ../../elsewhere c2", "mkdir c2; ln -s ../../victim c2/hosts",
    "mkdir c2; ln -s ../../../victim c2/hosts", "mkdir c2; ln -s nothing c2/hosts", "mkdir c2; mkfifo c2/hosts",
    "mkdir -p c2/hosts", "mkdir c2; mknod c2/hosts c 1 3", "mkdir c2; mkfifo c2/resolv.conf",
    "mkdir c2; ln -s ../../victim c2/resolv.conf", "mkdir -p c2/hostname", "echo > c2",
  ])
  func `anything but a regular file or directory is refused and stays unchanged`(script: String) throws {
    try StressLab.use { stress in
      try stress.warmUp()
      try stress.run("ADD", 1).requireSuccess()
      try stress.lab.shell(
        "cd \(stress.directory)/files; echo 'not for us' > ../victim; mkdir ../elsewhere; \(script)")
      let listing = "cd \(stress.directory); find . -printf '%p %y %l %m\\n' | grep -v /.lock | sort; cat victim"
      let before = (stress.snapshot(), try stress.lab.shell(listing))
      let outcome = try stress.run("ADD", 2)
      #expect(outcome.code == 100, "\(outcome)")
      #expect(outcome.complaint.contains("\(stress.directory)/files/c2"), "\(outcome)")
      #expect(stress.changes(since: before.0) == [])
      #expect(try stress.lab.shell(listing) == before.1)
    }
  }

  @Test(arguments: ["state", "files"])
  func `a read-only file system is reported`(place: String) throws {
    try StressLab.use { stress in
      try stress.warmUp()
      try stress.run("ADD", 1).requireSuccess()
      let before = stress.snapshot()
      let path = "\(stress.directory)/\(place)"
      try stress.lab.shell("mount --bind \(path) \(path); mount -o remount,ro,bind \(path)")
      defer { _ = try? stress.lab.shell("umount \(path)") }  // the removal of the lab reports errors
      let outcome = try stress.run("ADD", 2)
      #expect(outcome.code == 100, "\(outcome)")
      #expect(outcome.complaint.contains("Read-only file system"), "\(outcome)")
      #expect(stress.changes(since: before) == [])
      #expect(try stress.ask("STATUS").code == (place == "state" ? 50 : nil))
    }
  }
}
