import ArgumentParser
import CNI
import CNIRuntime
import Linux
import NetTypes

struct Validate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look for mistakes in network configurations.",
    discussion: """
      Finds unknown keys, values of the wrong type, settings that ADD would refuse, missing plugins and files, plugins \
      that cannot be combined or do not support the network's version, and subnets that overlap another network or a \
      route of the host. Without arguments every file of the configuration directory is checked.
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "Configuration files.", completion: .file()) var files: [String] = []

  func run() throws {
    var isFine = true
    try common.report { () throws(CNIError) in
      let contents = try common.networks.load()
      let validator = Validator(others: contents.entries, hostRoutes: HostRoute.read())
      let all = files.isEmpty ? (contents.entries.map(\.file) + contents.faults.map(\.file)).sorted() : files
      var reports: [JSONValue] = []
      for file in all {
        var findings = try findings(file, validator)
        // A valid file may still give no network because of another file.
        if let fault = contents.faults.first(where: { $0.file == file }), !findings.contains(where: \.isError) {
          findings.append(Finding(.error, fault.reason))
        }
        isFine = isFine && !findings.contains(where: \.isError)
        if !common.json { printFindings(findings, of: file) }
        reports.append(
          .object([
            "file": .string(file),
            "findings": .array(
              findings.map { .object(["severity": .string($0.severity.rawValue), "text": .string($0.text)]) }),
          ]))
      }
      if common.json { try common.printJSON(JSONValue.array(reports)) }
    }
    if !isFine { throw ExitCode.failure }
  }

  private func printFindings(_ findings: [Finding], of file: String) {
    for finding in findings { print("\(file): \(finding.severity.rawValue): \(finding.text)") }
    if !findings.contains(where: \.isError) { print("\(file): ok") }
  }

  private func findings(_ file: String, _ validator: Validator) throws(CNIError) -> [Finding] {
    let bytes: [UInt8]
    do throws(KernelError) { bytes = try Files.read(file) } catch { throw CNIError(error, as: .ioFailure) }
    // A file that cannot be read as a list is a finding already.
    guard let list = try? NetworkList.read(file) else { return validator.findings(bytes) }
    let runtime = common.runtime
    return validator.findings(bytes) + list.fileFindings() + runtime.pluginFindings(list)
      + runtime.settingsFindings(list)
  }
}

extension Finding {
  fileprivate var isError: Bool { severity == .error }
}
