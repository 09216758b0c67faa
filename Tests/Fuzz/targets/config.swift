import CNI

/// Any standard input is read, or refused with code 6 or 7; the value that was read can be written and read again.
func fuzz(_ bytes: [UInt8]) {
  let codes: [CNIError.Code] = [.decodingFailure, .invalidNetworkConfig]
  attempt(codes) { () throws(CNIError) in
    let header = try CNIJSON.decode(NetworkHeader.self, from: bytes)
    _ = try header.checkedName()
    _ = try header.checkedType()
    _ = try header.checkedIPAMType()
  }
  attempt(codes) { () throws(CNIError) in _ = try CNIJSON.decode(RuntimeKeys.self, from: bytes) }
  attempt(codes) { () throws(CNIError) in _ = try CNIJSON.decode(ValidAttachments.self, from: bytes) }
  attempt(codes) { () throws(CNIError) in try checkResult(bytes) }
  attempt(codes) { () throws(CNIError) in try checkValue(bytes) }
}

/// The latest version of a result keeps everything; older versions can always be written.
func checkResult(_ bytes: [UInt8]) throws(CNIError) {
  let written = try CNIJSON.decode(PrintedResult.self, from: bytes)
  for version in SpecVersion.allCases {
    let wire = written.result.json(version).bytes
    let again = try CNIJSON.decode(PrintedResult.self, from: wire)
    require(again.cniVersion == version.rawValue, "\(version): \(again.cniVersion ?? "")")
    let stable = again.result.json(version).bytes
    require(stable == wire, "\(version): \(String(decoding: wire, as: UTF8.self))")
  }
}

func checkValue(_ bytes: [UInt8]) throws(CNIError) {
  let value = try CNIJSON.decodeValue(bytes)
  let again = try CNIJSON.decodeValue(value.bytes)
  require(again == value, "\(value), then \(again)")
}
